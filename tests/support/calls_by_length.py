"""A call whose segments are recognised by their length, and a worker that redacts them."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from support.waiting import PATIENCE

from protocol.calls.call import CallConfig, Role
from protocol.calls.text_form import AS_HEARD, TextForm
from protocol.events import Final, SegmentId
from protocol.redaction.policy import Policy
from protocol.scheduling.jobs import Job, encode_job
from streaming.call.checkpoint import Checkpoint
from streaming.call.ledger import QueueFinal, StoreAudio
from streaming.call_store import CallStore
from workers.engines.base import Capabilities, Hypothesis, RecognisedWord, Utterance
from workers.names.finder import NameFinder

from .answers import entries_of
from .entries import event_of
from .job_streams import CALL, working

_CHECKPOINT = Checkpoint((Role.MIXED,), "native", 0.0, CallConfig(), (0,))


class Reader:
    """Recognises audio by its length: `texts` by tenths of a second."""

    def __init__(self, texts: Mapping[int, str]) -> None:
        self._texts = texts
        self.capabilities = Capabilities(name="reader", languages=frozenset({"en"}), max_batch=4)

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        return [self._heard(one) for one in batch]

    def _heard(self, one: Utterance) -> Hypothesis:
        text = self._texts[round(len(one.samples) / 1_600)]
        return Hypothesis(tuple(map(RecognisedWord, text.split())))


class SpokenCall:
    """A call on one channel. Segment n has a length of 10 + n tenths of a second."""

    def __init__(
        self, redis: Redis, texts: Sequence[str], policy: Policy, *, form: TextForm = AS_HEARD
    ) -> None:
        self._redis = redis
        self._gateway = CallStore(redis, CALL, "owner")
        self._policy = policy
        self._form = form
        self._read = b"0"
        self.engine = Reader({10 + number: text for number, text in enumerate(texts)})

    async def begin(self) -> None:
        await self._gateway.open("log-a", _CHECKPOINT)

    async def say(self, number: int) -> None:
        await self._write(number, final=True)
        async with asyncio.timeout(PATIENCE):
            while not any(
                isinstance(event, Final) and event.segment.number == number
                for event in await self._next_events()
            ):
                pass

    async def _next_events(self) -> list[object]:
        reply: Any = await self._redis.xread({CALL.log: self._read}, block=1_000)
        entries = [entry for _, entries in reply for entry in entries]
        self._read = entries[-1][0] if entries else self._read
        return [event_of(fields[b"e"]) for _, fields in entries]

    async def queue(self, number: int) -> None:
        await self._write(number, final=True)

    async def until(self, finals: int) -> None:
        """Wait until the log has so many finals."""
        async with asyncio.timeout(PATIENCE):
            while len(await self.shown()) < finals:
                await self._next_events()

    async def begin_to_say(self, number: int) -> None:
        await self._write(number, final=False)

    async def _write(self, number: int, *, final: bool) -> None:
        segment, start = SegmentId(0, number), number * 24_000
        audio = b"\x00\x40" * (1_600 * (10 + number))
        end = start + len(audio) // 4 if final else None
        job = Job(
            "call-1",
            "log-a",
            segment,
            start,
            0.0,
            "en",
            end=end,
            redaction=self._policy,
            form=self._form,
        )
        stored = StoreAudio(segment, 0, audio, b"" if final else encode_job(job))
        queued = [QueueFinal(segment, encode_job(job), len(audio))] if final else []
        await self._gateway.perform([stored, *queued])

    async def events(self) -> list[object]:
        return [event_of(fields[b"e"]) for _, fields in await entries_of(self._redis, CALL.log)]

    async def shown(self) -> list[str]:
        return [event.text for event in await self.events() if isinstance(event, Final)]


@asynccontextmanager
async def spoken(
    redis: Redis,
    texts: Sequence[str],
    policy: Policy | None = None,
    *,
    form: TextForm = AS_HEARD,
    names: NameFinder | None = None,
) -> AsyncIterator[SpokenCall]:
    """A call, and a worker that recognises `texts`."""
    call = SpokenCall(redis, texts, policy or Policy(), form=form)
    await call.begin()
    async with working(redis, call.engine, names=names):
        yield call
