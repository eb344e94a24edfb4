"""Top up, plan, run, settle.  Everything interesting is decided elsewhere."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import structlog
from redis.exceptions import RedisError

from protocol.clock import to_seconds
from protocol.events import Timing
from protocol.keys import Partition
from protocol.wire import encode_event

from .engine import Effort, Engine, EngineBrokenError, EngineError, Hypothesis, Utterance
from .plan import Limits, Waiting, plan
from .queue import Claimed, Outcome, WorkQueue
from .results import failure_of, final_of, partial_of, span_of, utterance_of
from .settings import WorkerSettings
from .stabiliser import NOTHING, Stabilised

_CLAIM_WAIT_MS = 1_000
"""How long a claim waits in Redis; must stay below the client's read timeout."""

_STATE_TTL = 900
"""Seconds that the state of a segment outlives the last partial."""

_BACK_OFF = 0.5
"""Seconds before Redis is tried again."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _InHand:
    """A claimed job and what the plan needs to know of it."""

    claimed: Claimed
    waiting: Waiting


@dataclass(frozen=True, slots=True)
class _Ready:
    """A job with its audio, and with what was heard of it before."""

    claimed: Claimed
    utterance: Utterance
    revision: int = 0
    before: Stabilised = NOTHING


class Worker:
    """One engine and the jobs in its hands.  `run` until cancelled; the batch in hand is finished first."""

    def __init__(
        self,
        queue: WorkQueue,
        partitions: Sequence[Partition],
        engine: Engine,
        settings: WorkerSettings,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._queue = queue
        self._partitions = partitions
        self._engine = engine
        self._settings = settings
        self._now = now
        can = engine.capabilities
        self._limits = Limits(
            can.max_batch, settings.max_padded_seconds, settings.stale_partial_ms / 1_000
        )
        self._backlog: dict[str, _InHand] = {}
        self._running: dict[str, _InHand] = {}
        self._step_began: float | None = None
        self._topped_up = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")

    async def run(self) -> None:
        """Work until cancelled.  EngineBrokenError means that the process has to be started anew."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for partition in self._partitions:
                    tasks.create_task(self._claim(partition))
                tasks.create_task(self._keep_leases())
                tasks.create_task(self._work())
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    # Claiming

    async def _claim(self, partition: Partition) -> None:
        """Keep the backlog filled from one partition; after a lost connection begin from the beginning."""
        while True:
            try:
                await self._queue.prepare()
                self._take(await self._queue.reclaim_own(partition))
                while True:
                    await self._has_room.wait()
                    self._take(await self._queue.claim(partition, self._room(), _CLAIM_WAIT_MS))
                    self._take(await self._queue.take_over(partition, self._settings.lease_ms))
            except (RedisError, OSError) as exc:
                log.warning("redis_unavailable", error=type(exc).__name__)
                await asyncio.sleep(_BACK_OFF)

    def _room(self) -> int:
        return max(1, 2 * self._limits.max_batch - len(self._backlog))

    def _take(self, claimed: Sequence[Claimed]) -> None:
        now = self._now()
        for one in claimed:
            if one.key not in self._running:
                self._backlog.setdefault(one.key, _InHand(one, self._waiting(one, now)))
        self._mark_room()
        if claimed:
            self._topped_up.set()

    def _waiting(self, one: Claimed, now: float) -> Waiting:
        span = span_of(one.job, 0)
        return Waiting(
            entry=one.key,
            effort=one.effort,
            seconds=to_seconds(span.end - span.start),
            queued_at=one.job.queued_at,
            claimed_at=now,
            alone=one.deliveries > 1,
        )

    def _mark_room(self) -> None:
        if len(self._backlog) < 2 * self._limits.max_batch:
            self._has_room.set()
        else:
            self._has_room.clear()

    async def _keep_leases(self) -> None:
        """Extend the leases of what is in hand, as long as the engine gets on."""
        while True:
            await asyncio.sleep(self._settings.lease_ms / 5_000)
            if (
                self._step_began
                and time.monotonic() - self._step_began > self._settings.step_limit_seconds
            ):
                raise EngineBrokenError(
                    "the engine has been at one batch for longer than the step limit"
                )
            in_hand = self._backlog | self._running
            try:
                await self._queue.extend([one.claimed for one in in_hand.values()])
            except (RedisError, OSError) as exc:
                log.warning("leases_not_extended", error=type(exc).__name__)

    # Working

    async def _work(self) -> None:
        while True:
            await self._topped_up.wait()
            try:
                await self._step()
            except (RedisError, OSError) as exc:
                log.warning("redis_unavailable", error=type(exc).__name__)
                self._backlog |= self._running  # settling twice does no harm
                self._topped_up.set()
                await asyncio.sleep(_BACK_OFF)
            finally:
                self._running.clear()

    async def _step(self) -> None:
        """Settle one batch."""
        todo = plan([one.waiting for one in self._backlog.values()], self._limits, self._now())
        stale = [self._backlog.pop(key).claimed for key in todo.drop]
        self._running |= {key: self._backlog.pop(key) for key in todo.run}
        batch = [one.claimed for one in self._running.values()]
        self._mark_room()
        if not self._backlog:
            self._topped_up.clear()
        for one in stale:
            await self._queue.look(one, _STATE_TTL)
        if batch:
            await self._settle_batch(batch)

    async def _settle_batch(self, batch: Sequence[Claimed]) -> None:
        ready = await self._prepare([one for one in batch if not await self._gave_up(one)])
        if not ready:
            return
        started, began = self._now(), time.monotonic()
        heard = await self._transcribe([one.utterance for one in ready])
        engine_ms = round((time.monotonic() - began) * 1_000)
        for one, hypothesis in zip(ready, heard, strict=True):
            waited_ms = max(0, round((started - one.claimed.job.queued_at) * 1_000))
            await self._report(one, hypothesis, Timing(waited_ms, engine_ms))

    async def _gave_up(self, one: Claimed) -> bool:
        """Whether the job has killed enough workers to be given up."""
        if one.effort is Effort.PARTIAL or one.deliveries <= self._settings.max_deliveries:
            return False
        await self._fail(one, "delivered too often without a result")
        return True

    async def _prepare(self, batch: Sequence[Claimed]) -> list[_Ready]:
        ready = []
        for one, audio in zip(batch, await self._queue.audio(batch), strict=True):
            revision, before = 0, NOTHING
            if one.effort is Effort.PARTIAL:
                revision, payload = await self._queue.look(one, _STATE_TTL)
                before = Stabilised.decode(payload)
            if not audio:
                await self._no_audio(one)
                continue
            samples = np.frombuffer(audio, dtype="<i2").astype(np.float32) / np.float32(32_768)
            previous = " ".join(before.words)
            utterance = utterance_of(one.job, one.effort, samples, previous)
            ready.append(_Ready(one, utterance, revision, before))
        return ready

    async def _no_audio(self, one: Claimed) -> None:
        """Partials may come after their segment; a final without audio has outlived its time in Redis."""
        if one.effort is Effort.FINAL:
            await self._fail(one, "its audio is gone from Redis")

    async def _transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis | EngineError]:
        """One outcome for each; when a batch fails its utterances are tried one by one."""
        try:
            return list(await self._in_thread(batch))
        except EngineError as exc:
            if len(batch) == 1:
                return [exc]
        return [outcome for one in batch for outcome in await self._transcribe([one])]

    async def _in_thread(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        loop = asyncio.get_running_loop()
        self._step_began = time.monotonic()
        try:
            return await loop.run_in_executor(self._thread, self._engine.transcribe, batch)
        finally:
            self._step_began = None

    async def _report(self, one: _Ready, heard: Hypothesis | EngineError, timing: Timing) -> None:
        job = one.claimed.job
        if one.claimed.effort is Effort.PARTIAL:
            if isinstance(heard, Hypothesis):
                await self._suggest(one, heard)
        elif isinstance(heard, EngineError):
            await self._fail(one.claimed, str(heard))
        else:
            final = final_of(job, heard, self._engine.capabilities.name, timing)
            self._note(
                one.claimed, await self._queue.settle(one.claimed, encode_event(final)), timing
            )

    async def _suggest(self, one: _Ready, heard: Hypothesis) -> None:
        job = one.claimed.job
        now = one.before.observe([word.text for word in heard.words])
        span = span_of(job, len(one.utterance.samples))
        event = encode_event(partial_of(job, span, one.revision, now))
        await self._queue.suggest(one.claimed, one.revision, now.encode(), event)

    async def _fail(self, one: Claimed, reason: str) -> None:
        outcome = await self._queue.settle(one, encode_event(failure_of(one.job, reason)), reason)
        log.error(
            "segment_failed", call_id=one.job.call_id, segment=str(one.job.segment), outcome=outcome
        )

    def _note(self, one: Claimed, outcome: Outcome, timing: Timing) -> None:
        log.info(
            "segment_settled",
            call_id=one.job.call_id,
            segment=str(one.job.segment),
            outcome=outcome,
            seconds=round(self._waiting(one, 0.0).seconds, 2),
            waited_ms=timing.waited_ms,
            engine_ms=timing.engine_ms,
        )
