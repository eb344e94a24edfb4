"""The whole stack in one process, with an engine that says what a test tells it, and calls of two speakers."""

import itertools
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from playwright.async_api import Locator, Page
from redis.asyncio import Redis
from support.api import running_api
from support.credentials import Site
from support.http_client import http_client
from support.kept_audio import audio_settings
from support.pipeline import Event, Listener, Pipeline, calling, pipeline, stream
from support.ports import free_port
from support.valkey import ValkeyServer
from support.waiting import until
from websockets.asyncio.client import ClientConnection

from broker.connections.connection import connect
from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, encode
from protocol.settings import RedisSettings
from streaming.settings import GatewaySettings
from transcripts.api.settings import ApiSettings
from transcripts.settings import RecorderSettings
from workers.engines.base import Capabilities, Hypothesis, RecognisedWord, Utterance

PROMPT = sorted((Path(__file__).parents[1] / "speech" / "prompts").glob("*.wav"))[0]
_SPEECH: Pcm = read_recording(PROMPT).channels[0][:20_000]
_STEP = 4_000
_PACE = 4.0


@dataclass(slots=True)
class Reciter:
    """Recognises the words of `phrase`, two for each tenth of a second of audio, however it sounds."""

    phrase: str = "thank you for calling Acme"
    word_samples: int = 0
    """If set, each word has a time, this many samples at 16 kHz behind the word before it."""

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
        if step := self.word_samples:
            return tuple(
                RecognisedWord(word, place * step, (place + 1) * step)
                for place, word in enumerate(words[: len(one.samples) // step])
            )
        return tuple(map(RecognisedWord, words[: max(1, len(one.samples) // 800)]))


@dataclass(slots=True)
class Talk:
    """A call of an agent (channel 0) and a customer (channel 1)."""

    bridge: ClientConnection
    heard: Listener
    engine: Reciter
    finals: int = 0

    async def begin(self, channel: int, phrase: str, shown: Locator | None = None) -> None:
        """
        Speak, until a partial has stable words, and do not stop speaking: there is no final.

        `shown`: speak until a page has this, too.  Partials are not kept: a page that begins to follow a call gets the
        next one.
        """
        self.engine.phrase = phrase
        before, pace = len(self.heard.of("segment.partial")), _PACE
        for start in itertools.cycle(range(0, len(_SPEECH) - _STEP, _STEP)):
            await self._send(channel, _SPEECH[start : start + _STEP], pace)
            if any(_is_stable(one) for one in self.heard.of("segment.partial")[before:]):
                if shown is None or await shown.count():
                    return
                pace = 1.0  # a segment has at most half a minute

    async def stop(self) -> dict[str, object]:
        """Be silent, until the final is there."""
        await self._send(0, np.zeros(8_000, dtype=np.int16))
        self.finals += 1
        return await self.heard.until("segment.final", self.finals)

    async def be_silent_until(self, kind: str) -> None:
        """Go on with silence until the gateway has sent an event of this kind."""
        while not self.heard.of(kind):
            await self._send(0, np.zeros(_STEP, dtype=np.int16))

    async def say(self, channel: int, phrase: str) -> dict[str, object]:
        """Speak, and wait for the final."""
        await self.begin(channel, phrase)
        return await self.stop()

    async def send(self, **message: object) -> None:
        """Send a message of the native protocol."""
        await self.bridge.send(json.dumps(message))

    async def hang_up(self) -> None:
        """End the call, and wait until it has ended."""
        await self.send(type="stop")
        await self.heard.until("call.ended")

    async def _send(self, channel: int, samples: Pcm, pace: float = _PACE) -> None:
        both = np.zeros((len(samples), 2), dtype=np.int16)
        both[:, channel] = samples
        await stream(self.bridge, encode(both.reshape(-1), Encoding.MULAW), frame=320, pace=pace)


def _is_stable(partial: Event) -> bool:
    return any(word.get("stable") for word in partial["words"])


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
    async def call(
        self,
        call_id: str,
        keywords: Iterable[str] = (),
        *,
        gateway: str = "",
        key: str = "",
        metadata: Mapping[str, str] | None = None,
        **more: object,
    ) -> AsyncIterator[Talk]:
        """Bring a call, at `gateway` or at that of the stack, with `key` if it needs one; `more` of its `start`."""
        start = {
            "call_id": call_id,
            "channels": ["agent", "customer"],
            "keywords": list(keywords),
            "endpointing_ms": 300,
            "metadata": dict(metadata or {}),
            **more,
        }
        async with calling(gateway or self.pipe.url, key, **start) as (bridge, heard):
            yield Talk(bridge, heard, self.engine)


@dataclass(frozen=True, slots=True)
class Guarded:
    """A stack whose API and gateway need keys.  `admin`: key of an administrator of acme."""

    stack: Stack
    keys: Site
    admin: str = field(repr=False)

    def client(self) -> httpx.AsyncClient:
        """A client of the API, without a key."""
        return http_client(base_url=self.stack.url)

    async def log_in(self, page: Page, path: str, key: str) -> None:
        """Open a page, which asks for the key first."""
        await page.goto(f"{self.stack.url}{path}")
        await page.get_by_label("Key", exact=True).fill(key)
        await page.get_by_role("button", name="Log in").click()


async def stored(running: Stack, call_id: str, headers: dict[str, str] | None = None) -> None:
    """Wait until a call is stored as ended."""
    async with http_client(base_url=running.url, headers=headers) as client:

        async def has_ended() -> bool:
            answer = await client.get(f"/v1/calls/{call_id}")
            return answer.status_code == 200 and answer.json()["status"] == "ended"

        await until(has_ended)


@asynccontextmanager
async def stack(
    folder: Path,
    settings: ApiSettings | None = None,
    *,
    keyed_gateway: bool = False,
    keeps_audio: bool = False,
) -> AsyncIterator[Stack]:
    """Run everything while the context lasts.  The API needs keys as `settings` say; the gateway if `keyed_gateway`."""
    engine, settings = Reciter(), settings or ApiSettings()
    audio = audio_settings(folder) if keeps_audio else {}
    settings = settings.model_copy(update=audio)
    recorder = RecorderSettings(audio_seconds=0.2, audio_settle_seconds=0, **audio)
    keys_file = settings.keys_file if keyed_gateway else ""
    with ValkeyServer(folder / "valkey.sock") as valkey:
        redis = connect(RedisSettings(url=valkey.url))
        url = f"http://127.0.0.1:{free_port()}"
        gateway = GatewaySettings(
            drain_seconds=0,
            vad="webrtc",
            allowed_origins=url,
            keys_file=keys_file,
            keep_audio="*" if keeps_audio else "",
            **audio,
        )
        async with pipeline(redis, folder, engine, gateway=gateway, recorder=recorder) as pipe:
            shown = settings.model_copy(update={"gateway_url": pipe.url})
            running = Stack(pipe, redis, valkey, engine, shown, url)
            await running.start_api()
            yield running
            await running.stop_api()
        await redis.aclose()
