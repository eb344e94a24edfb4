"""Between queue and engine: brings each job its audio, and each result to its call."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from protocol.audio import Pcm
from protocol.clock import UPSAMPLING, to_seconds
from protocol.event_codec import encode_event
from protocol.events import Timing
from protocol.jobs import Job

from .engine_adapter import Answer
from .engines.base import Effort, EngineError, Hypothesis, Utterance
from .event_builder import failure_of, final_of, partial_of, span_of, stable_in, utterance_of
from .job_queue import Claimed, Outcome, WorkQueue
from .metrics import WorkerMeter
from .stabiliser import NOTHING, Stabilised

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PreparedJob:
    """A job with its audio, and with what was heard of it before."""

    claimed: Claimed
    utterance: Utterance
    revision: int = 0
    before: Stabilised = NOTHING


class JobIO:
    """Fetches and reports for one engine.  What it cannot reach raises RedisError or OSError."""

    def __init__(
        self, queue: WorkQueue, engine: str, max_deliveries: int, meter: WorkerMeter | None = None
    ) -> None:
        """`engine` is the name that finals carry."""
        self._meter = meter or WorkerMeter()
        self._queue = queue
        self._engine = engine
        self._max_deliveries = max_deliveries

    async def fetch(self, batch: Sequence[Claimed]) -> list[PreparedJob]:
        """Those of `batch` that can be transcribed; the others are settled or dropped here."""
        partials = [one for one in batch if one.effort is Effort.PARTIAL]
        before = dict(
            zip(
                (one.key for one in partials),
                await self._queue.poll(partials),
                strict=True,
            )
        )
        ready = []
        for one, audio in zip(batch, await self._queue.audio(batch), strict=True):
            if audio:
                ready.append(_ready(one, audio, *before.get(one.key, (0, b""))))
            else:
                await self._no_audio(one)
        return await self._worth_trying(ready)

    async def drop(self, partials: Sequence[Claimed]) -> None:
        """Take partials off their lane; their segments may ask for others."""
        await self._queue.poll(partials)
        self._meter.dropped(len(partials))

    async def report(self, one: PreparedJob, heard: Answer, timing: Timing) -> None:
        """
        Settle a final; publish a partial.

        Nothing is published where the engine failed on it, or has no words and had none before: some engines have
        no partials of some languages and of translations.
        """
        if one.claimed.effort is Effort.PARTIAL:
            if isinstance(heard, Hypothesis) and (heard.words or one.before.words):
                await self._suggest(one, heard)
        elif isinstance(heard, EngineError):
            await self._fail(one.claimed, str(heard))
        else:
            final = final_of(one.claimed.job, heard, self._engine, timing)
            outcome = await self._queue.settle(one.claimed, encode_event(final))
            self._meter.settled(outcome)
            _note(one, outcome, timing)

    async def _worth_trying(self, batch: Sequence[PreparedJob]) -> list[PreparedJob]:
        """
        Without the finals that have killed enough workers to be given up.

        Tries are counted, not deliveries: what lay in the hands of a worker that died of something else, or
        that could not reach Redis, is innocent of it.
        """
        finals = [one.claimed for one in batch if one.claimed.effort is Effort.FINAL]
        tries = dict(zip(finals, await self._queue.begin(finals), strict=True))
        worth = []
        for one in batch:
            if tries.get(one.claimed, 0) > self._max_deliveries:
                await self._fail(one.claimed, "tried too often without a result")
            else:
                worth.append(one)
        return worth

    async def _no_audio(self, one: Claimed) -> None:
        """Partials may come after their segment; a final without audio has outlived its time in Redis."""
        if one.effort is Effort.FINAL:
            await self._fail(one, "its audio is gone from Redis")

    async def _suggest(self, one: PreparedJob, heard: Hypothesis) -> None:
        job = one.claimed.job
        words, sure = (
            [word.text for word in heard.words],
            [word.confidence for word in heard.words],
        )
        now = one.before.observe(words, stable_in(heard), sure)
        span = span_of(job, len(one.utterance.samples))
        event = encode_event(partial_of(job, span, one.revision, now))
        await self._queue.suggest(one.claimed, one.revision, now.encode(), event)

    async def _fail(self, one: Claimed, reason: str) -> None:
        outcome = await self._queue.settle(one, encode_event(failure_of(one.job, reason)), reason)
        self._meter.gave_up(outcome)
        log.error(
            "segment_failed", call_id=one.job.call_id, segment=str(one.job.segment), outcome=outcome
        )


def _ready(one: Claimed, audio: bytes, revision: int, hypothesis: bytes) -> PreparedJob:
    before = Stabilised.decode(hypothesis)
    samples = _heard(one.job, audio).astype(np.float32) / np.float32(32_768)
    utterance = utterance_of(one.job, one.effort, samples, " ".join(before.words))
    return PreparedJob(one, utterance, revision, before)


def _heard(job: Job, audio: bytes) -> Pcm:
    """
    Samples that belong to the segment.

    While it was open, more of the pause behind it may have been stored than turned out to be its own.
    """
    end = None if job.end is None else UPSAMPLING * (job.end - job.start)
    return np.frombuffer(audio, dtype="<i2")[:end]


def _note(one: PreparedJob, outcome: Outcome, timing: Timing) -> None:
    job = one.claimed.job
    span = span_of(job, 0)
    log.info(
        "segment_settled",
        call_id=job.call_id,
        segment=str(job.segment),
        outcome=outcome,
        seconds=round(to_seconds(span.end - span.start), 2),
        waited_ms=timing.waited_ms,
        engine_ms=timing.engine_ms,
    )
