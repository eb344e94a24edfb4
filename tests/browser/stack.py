"""The whole stack in one process, with an engine that says what a test tells it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redis.asyncio import Redis
from support.api import running_api
from support.pipeline import Pipeline, pipeline
from support.valkey import ValkeyServer

from broker.connection import connect
from protocol.settings import RedisSettings
from streaming.settings import GatewaySettings
from transcripts.api.settings import ApiSettings
from workers.engines.base import Capabilities, Hypothesis, RecognisedWord, Utterance


@dataclass(slots=True)
class Reciter:
    """Recognises the words of `phrase`, two for each tenth of a second of audio, however it sounds."""

    phrase: str = "thank you for calling Acme"
    capabilities: Capabilities = field(
        default=Capabilities(
            name="reciter", languages=frozenset({"en"}), keywords=True, max_batch=4
        )
    )

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """Return the beginning of the phrase, longer for longer audio."""
        return [Hypothesis(self._words(one)) for one in batch]

    def _words(self, one: Utterance) -> tuple[RecognisedWord, ...]:
        words = self.phrase.split(" ")
        return tuple(map(RecognisedWord, words[: max(1, len(one.samples) // 800)]))


@dataclass(slots=True)
class Stack:
    """A running stack.  `url`: of the API; it keeps its port when it is started again."""

    pipe: Pipeline
    redis: Redis
    valkey: ValkeyServer
    engine: Reciter
    settings: ApiSettings
    url: str = ""
    _api: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start_api(self) -> None:
        """Start the API, on the port that it had."""
        port = int(self.url.rpartition(":")[2]) if self.url else 0
        running = await self._api.enter_async_context(
            running_api(self.redis, self.pipe.store, self.settings, port=port)
        )
        self.url = running.url

    async def stop_api(self) -> None:
        """Stop the API: its streams end."""
        await self._api.aclose()


@asynccontextmanager
async def stack(folder: Path, settings: ApiSettings | None = None) -> AsyncIterator[Stack]:
    """Run everything while the context lasts."""
    engine = Reciter()
    with ValkeyServer(folder / "valkey.sock") as valkey:
        redis = connect(RedisSettings(url=valkey.url))
        gateway = GatewaySettings(drain_seconds=0, keys_file=(settings or ApiSettings()).keys_file)
        async with pipeline(redis, folder, engine, gateway=gateway) as pipe:
            running = Stack(pipe, redis, valkey, engine, settings or ApiSettings())
            await running.start_api()
            yield running
            await running.stop_api()
        await redis.aclose()
