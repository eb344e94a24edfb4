"""Input and output of jobs: fetches the audio of each job, and writes each result to its call."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import structlog

from protocol.clock import UPSAMPLING, at_rate, to_seconds
from protocol.events import Timing
from protocol.events.event_codec import encode_event
from protocol.scheduling.jobs import Job

from .engine_adapter import EngineResult
from .engines.base import Effort, EngineError, Hypothesis, PreviousSpeech, Samples, Utterance
from .final_writer import FinalWriter
from .job_queue import ClaimedJob, Outcome, PartialState, WorkQueue
from .metrics import WorkerMeter
from .names.finder import NameFinder
from .recent_speech import RecentSpeech
from .speakers.voice_encoder import Voices
from .text.doubt import is_doubtful
from .text.event_builder import failure_of, final_of, partial_of, span_of, stable_in, utterance_of
from .text.redaction import hidden, needs_state
from .text.stabiliser import NOTHING, Stabilised
from .upsampling import engine_samples

_SUGGESTIONS = 3
"""How often a partial is made for what it follows now; then the next partial is better."""

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PreparedJob:
    """A job with its audio; a partial with the previous hypothesis."""

    claimed: ClaimedJob
    utterance: Utterance
    before: Stabilised = NOTHING


class JobIO:
    """Fetches audio and reports results for one engine.  Raises RedisError or OSError if Redis does not answer."""

    def __init__(
        self,
        queue: WorkQueue,
        engine: str,
        max_deliveries: int,
        meter: WorkerMeter | None = None,
        names: NameFinder | None = None,
        voices: Voices | None = None,
        recent: RecentSpeech | None = None,
        *,
        is_calibrated: bool = False,
    ) -> None:
        """
        `engine`: the name that finals carry.  `max_deliveries`: tries after which a final is given up.

        `recent`: where context is kept; None if the engine uses none.  `is_calibrated`: whether the confidence of a
        word tells which drafts are doubtful.
        """
        self._finals = FinalWriter(queue, names, voices)
        self._meter = meter or WorkerMeter()
        self._queue = queue
        self._engine = engine
        self._recent = recent
        self._is_calibrated = is_calibrated
        self._max_deliveries = max_deliveries

    async def fetch(self, batch: Sequence[ClaimedJob]) -> list[PreparedJob]:
        """Prepare the jobs of `batch` that can be transcribed; settle or drop the others."""
        self._queue.take(one for one in batch if one.effort is not Effort.FINAL)
        found = []
        for one, audio in zip(batch, await self._queue.audio(batch), strict=True):
            if audio:
                known = self._queue.partials.known.of(one.job)
                found.append((one, audio, known, self._context(one)))
            else:
                await self._no_audio(one)
        ready = await asyncio.to_thread(lambda: [_ready(*parts) for parts in found])
        return await self._worth_trying(ready)

    def _context(self, one: ClaimedJob) -> PreviousSpeech | None:
        if self._recent is None or one.effort is Effort.PARTIAL:
            return None
        return self._recent.before(one.job)

    def drop(self, stale: Sequence[ClaimedJob]) -> None:
        """Remove partials and drafts that came too late from their job streams."""
        self._queue.take(stale)
        self._meter.dropped(sum(one.effort is Effort.PARTIAL for one in stale))

    async def report(self, one: PreparedJob, heard: EngineResult, timing: Timing) -> None:
        """
        Settle a final; publish a partial; keep a draft for its final.

        A partial is not published if the engine failed on it, or if it has no words and had none before: some
        engines make no partials of some languages and of translations.
        """
        is_whole = one.claimed.effort is not Effort.PARTIAL
        if self._recent and is_whole and isinstance(heard, Hypothesis):
            self._recent.remember(one.claimed.job, one.utterance.samples, heard.words)
        if one.claimed.effort is Effort.PARTIAL:
            if isinstance(heard, Hypothesis) and (heard.words or one.before.words):
                await self._suggest(one, heard)
        elif one.claimed.effort is Effort.DRAFT:
            await self._keep(one, heard, timing)
        elif isinstance(heard, EngineError):
            await self._fail(one.claimed, str(heard))
        else:
            final = final_of(one.claimed.job, heard, self._engine, timing)
            outcome = await self._finals.commit(one.claimed, final, one.utterance.samples)
            self._meter.settled(outcome)
            _log_settled(one, outcome, timing)

    async def _keep(self, one: PreparedJob, heard: EngineResult, timing: Timing) -> None:
        """Keep what would be the final, if it may be kept; first tell the gateway if it is doubtful."""
        replaced = None
        if isinstance(heard, Hypothesis):
            if self._is_calibrated and is_doubtful(heard.words):
                await self._queue.doubt(one.claimed)
            final = final_of(one.claimed.job, heard, self._engine, timing)
            replaced = await self._finals.keep(one.claimed, final, one.utterance.samples)
        self._meter.lost(timing.engine_ms if replaced is None else replaced)

    async def _worth_trying(self, batch: Sequence[PreparedJob]) -> list[PreparedJob]:
        """
        Return `batch` without the finals that were tried too often; those are failed here.

        Tries by an engine are counted, not deliveries: a job that was only waiting when its worker died, or when
        Redis could not be reached, is not suspected of killing the worker.
        """
        finals = [one.claimed for one in batch if one.claimed.effort is Effort.FINAL]
        begun = dict(zip(finals, await self._queue.begin(finals), strict=True))
        worth = []
        for one in batch:
            tries, lost = begun.get(one.claimed, (0, 0))
            self._meter.lost(lost)
            if tries > self._max_deliveries:
                await self._fail(one.claimed, "delivered too often without a result")
            else:
                worth.append(one)
        return worth

    async def _no_audio(self, one: ClaimedJob) -> None:
        """Fail a final whose audio has expired in Redis.  Other jobs may come after their segment: ignore them."""
        if one.effort is Effort.FINAL:
            await self._fail(one, "its audio is no longer in Redis")

    async def _suggest(self, one: PreparedJob, heard: Hypothesis) -> None:
        """
        Publish a partial: again if other workers have changed meanwhile what it follows.

        If the words have numbers, the state of redaction is read first: with an older one, digits would be sent to
        Redis, which then refuses.
        """
        log, after = self._queue.partials, self._queue.partials.known.of(one.claimed.job)
        follows = needs_state(one.claimed.job, [word.text for word in heard.words])
        if follows:
            after = replace(after, redaction=await self._queue.redaction.state(one.claimed))
        for _ in range(_SUGGESTIONS):
            words, event = _partial(one, heard, after)
            newer = await log.publish(
                one.claimed, after, words.encode(), event, any_redaction=not follows
            )
            if newer is None:
                return
            after = newer

    async def _fail(self, one: ClaimedJob, reason: str) -> None:
        outcome = await self._queue.settle(one, encode_event(failure_of(one.job, reason)), reason)
        self._meter.gave_up(outcome)
        logger.error(
            "segment_failed", call_id=one.job.call_id, segment=str(one.job.segment), outcome=outcome
        )


def _ready(
    one: ClaimedJob, audio: bytes, after: PartialState, context: PreviousSpeech | None
) -> PreparedJob:
    before = Stabilised.decode(after.hypothesis) if one.effort is Effort.PARTIAL else NOTHING
    utterance = utterance_of(one.job, one.effort, _segment_samples(one.job, audio), before.text)
    return PreparedJob(one, replace(utterance, before=context, unhurried=one.recorded), before)


def _partial(one: PreparedJob, heard: Hypothesis, after: PartialState) -> tuple[Stabilised, bytes]:
    """The words of a partial that follows `after`, and its event."""
    job = one.claimed.job
    span = span_of(job, len(one.utterance.samples))
    words = hidden(job, span, [word.text for word in heard.words], after.redaction)
    sure = [word.confidence for word in heard.words]
    now = Stabilised.decode(after.hypothesis).observe(words, stable_in(heard), sure)
    return now, encode_event(partial_of(job, span, after.revision + 1, now))


def _segment_samples(job: Job, audio: bytes) -> Samples:
    """
    Return the samples that belong to the segment, and its padding.

    While a segment is open, more of the pause after it may be stored than belongs to the segment in the end.
    """
    end = None if job.end is None else at_rate(job.end - job.start, job.rate)
    samples = engine_samples(np.frombuffer(audio, dtype="<i2")[:end], job.rate)
    return np.concatenate([samples, np.zeros(UPSAMPLING * job.padding, dtype=np.float32)])


def _log_settled(one: PreparedJob, outcome: Outcome, timing: Timing) -> None:
    job = one.claimed.job
    span = span_of(job, 0)
    logger.info(
        "segment_settled",
        call_id=job.call_id,
        segment=str(job.segment),
        outcome=outcome,
        seconds=round(to_seconds(span.end - span.start), 2),
        waited_ms=timing.waited_ms,
        engine_ms=timing.engine_ms,
    )
