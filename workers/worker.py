"""Claims jobs, keeps their leases, tells how it gets on, and hands back what it will not do."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence

import structlog
from redis.exceptions import RedisError

from broker.redis_keys import Partition
from protocol.worker_capacity import TELL_SECONDS, WorkerCapacity

from .engine_adapter import adapter_for
from .engines.base import Engine, EngineBrokenError
from .executor import BACK_OFF, EngineExecutor
from .inflight import InflightJobs
from .job_io import JobIO
from .job_queue import Claimed, WorkQueue
from .metrics import WorkerMeter
from .scheduler import Limits
from .settings import WorkerSettings

_CLAIM_WAIT_MS = 250
"""
How long a claim waits in Redis for new jobs: so long may what was handed back lie before an idle worker sees it.

With more partitions longer, so that idle workers do not keep a cluster busy, up to what clients allow for.
"""

_LONGEST_CLAIM_WAIT_MS = 1_000

_FAREWELL_SECONDS = 2.0
"""How long the last words to Redis may take."""

log = structlog.get_logger()


class Worker:
    """
    One engine and the jobs in its hand.

    `run` until cancelled: then nothing more is claimed, what the engine has is finished, the rest is handed back.
    """

    def __init__(
        self,
        queue: WorkQueue,
        partitions: Sequence[Partition],
        engine: Engine,
        settings: WorkerSettings,
        now: Callable[[], float] = time.time,
        heartbeat: Callable[[], None] = lambda: None,
        meter: WorkerMeter | None = None,
    ) -> None:
        """`beat` is called again and again as long as the engine gets on, or has nothing to do."""
        self._queue = queue
        self._partitions = partitions
        self._settings = settings
        self._now = now
        self._heartbeat = heartbeat
        self._meter = meter or WorkerMeter()
        can = engine.capabilities
        self._can = can
        self._tasks = can.tasks
        queue.serve(self._tasks)
        limits = Limits(
            can.max_batch, settings.max_padded_seconds, settings.stale_partial_ms / 1_000
        )
        adapter = adapter_for(engine)
        self._inflight = InflightJobs(limits, joins=adapter.joins)
        job_io = JobIO(queue, can.name, settings.max_deliveries, self._meter)
        self._bench = EngineExecutor(self._inflight, adapter, job_io, now, self._meter)

    async def run(self) -> None:
        """Work until cancelled.  EngineBrokenError means that the process has to be started anew."""
        tried = False
        try:
            async with asyncio.TaskGroup() as working:
                recognising = working.create_task(self._bench.run())
                for loop in (self._keep_leases, self._report_capacity, self._report_alive):
                    working.create_task(loop())
                try:
                    await self._claim_all()
                except asyncio.CancelledError:
                    await self._drain(recognising)
                    raise
        except BaseExceptionGroup:
            tried = True
            raise
        finally:
            await _in_time(self._leave(tried=tried))

    # Claiming

    async def _claim_all(self) -> None:
        async with asyncio.TaskGroup() as claiming:
            for partition in self._partitions:
                claiming.create_task(self._claim(partition))

    async def _claim(self, partition: Partition) -> None:
        """Keep the hand filled from one partition; after a lost connection begin from the beginning."""
        while True:
            try:
                await self._queue.prepare()
                self._inflight.take(await self._queue.reclaim_own(partition), self._now())
                while True:
                    await self._inflight.has_room.wait()
                    await self._claim_once(partition)
            except (RedisError, OSError) as exc:
                log.warning("redis_unavailable", error=type(exc).__name__)
                await asyncio.sleep(BACK_OFF)

    async def _claim_once(self, partition: Partition) -> None:
        room = max(1, self._inflight.room)
        wait_ms = min(_LONGEST_CLAIM_WAIT_MS, _CLAIM_WAIT_MS * len(self._partitions))
        self._inflight.take(await self._queue.claim(partition, room, wait_ms), self._now())
        left = await self._queue.take_over(partition, self._settings.lease_ms, room)
        self._inflight.take(left, self._now())
        for one in left:
            self._meter.claimed(one.deliveries)
        if not (self._inflight.waiting or self._inflight.begun):
            recorded = await self._queue.claim_recorded(partition, self._settings.lease_ms)
            self._inflight.take(recorded, self._now())

    async def _keep_leases(self) -> None:
        """Extend the leases of what is in hand, as long as the engine gets on."""
        while True:
            await asyncio.sleep(self._settings.lease_ms / 5_000)
            if (self._bench.at_step_for or 0.0) > self._settings.step_limit_seconds:
                raise EngineBrokenError("the engine has been at one step for longer than the limit")
            try:
                await self._queue.extend([*self._inflight.waiting, *self._inflight.begun])
            except (RedisError, OSError) as exc:
                log.warning("leases_not_extended", error=type(exc).__name__)

    # Telling

    async def _report_alive(self) -> None:
        """Beat for every step of the engine, or while it has none to do.  Nothing here waits for Redis."""
        told = -1
        while True:
            if self._bench.at_step_for is None or self._bench.steps != told:
                told = self._bench.steps
                self._heartbeat()
            await asyncio.sleep(min(1.0, self._settings.step_limit_seconds / 5))

    async def _report_capacity(self) -> None:
        """Let those who admit calls know what this worker gets done."""
        while True:
            most = self._can.max_keywords if self._can.keywords else 0
            told = WorkerCapacity(self._now(), self._bench.pace.capacity, self._tasks, most)
            self._meter.is_at(told.capacity)
            try:
                await self._queue.report_capacity(told)
            except (RedisError, OSError) as exc:
                log.warning("capacity_not_told", error=type(exc).__name__)
            await asyncio.sleep(TELL_SECONDS)

    # Ending

    async def _drain(self, recognising: asyncio.Task[None]) -> None:
        """Finish what the engine has, in the time given; let the others have the rest meanwhile."""
        self._bench.finish()
        await _in_time(self._hand_back(self._inflight.waiting, tried=False))
        await asyncio.wait({recognising}, timeout=self._settings.drain_seconds)
        if begun := self._inflight.begun:
            log.warning("batch_abandoned", segments=len(begun))

    async def _leave(self, *, tried: bool) -> None:
        """Hand everything back; `tried` says that the engine may have died of what it had."""
        await self._hand_back(self._inflight.waiting, tried=False)
        await self._hand_back(self._inflight.begun, tried=tried)
        try:
            await self._queue.forget_capacity()
        except (RedisError, OSError) as exc:
            log.warning("capacity_not_told", error=type(exc).__name__)

    async def _hand_back(self, jobs: Sequence[Claimed], *, tried: bool) -> None:
        """What cannot be handed back stays in hand until its lease runs out."""
        try:
            await self._queue.hand_back(jobs, tried=tried)
        except (RedisError, OSError) as exc:
            log.warning("leases_not_handed_back", error=type(exc).__name__)
            return
        for one in jobs:
            self._inflight.finish(one)


async def _in_time(last_words: Coroutine[object, object, None]) -> None:
    """
    Run to its end, though not for ever, in a task of its own.

    Ours is cancelled, and its commands to Redis would be too.
    """
    task = asyncio.ensure_future(last_words)
    _, late = await asyncio.wait({task}, timeout=_FAREWELL_SECONDS)
    for one in late:
        one.cancel()
