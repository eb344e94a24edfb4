"""The worker: claims jobs, extends their leases, reports its capacity, and hands back unfinished jobs."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence

import structlog
from redis.exceptions import RedisError

from broker.redis_keys import Partition
from protocol.scheduling.worker_capacity import REPORT_SECONDS, WorkerCapacity

from .engine_adapter import adapters_for
from .engines.base import Engine, EngineBrokenError
from .engines.common.memory import is_out_of_memory
from .executor import BACK_OFF, EngineExecutor
from .inflight import InflightJobs
from .job_io import JobIO
from .job_queue import ClaimedJob, WorkQueue
from .metrics import WorkerMeter
from .names.finder import NameFinder
from .recent_speech import RecentSpeech
from .scheduler import BatchLimits
from .settings import WorkerSettings
from .speakers.voice_encoder import Voices

_LOOK_SECONDS = 0.25
"""Seconds between two looks for new job streams, and for finals whose worker has handed them back or has died."""

_CLAIM_WAIT_MS = 250
"""
How long a claim waits in Redis for new jobs.  An idle worker sees handed-back jobs after at most this time.

The wait grows with the number of partitions, so that idle workers do not load a cluster, up to the longest wait
that the client's timeouts allow.
"""

_LONGEST_CLAIM_WAIT_MS = 1_000

_BUSY_CLAIM_WAIT_MS = 20
"""How long a claim waits while no partials are claimed: shorter than the engine takes for one of those it has."""

_SHUTDOWN_SECONDS = 2.0
"""How long the last commands to Redis may take at shutdown."""

logger = structlog.get_logger()


class Worker:
    """
    One engine and its claimed jobs.

    `run` works until it is cancelled.  Then it claims no more jobs, finishes those that the engine has, and hands
    back the rest.
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
        names: NameFinder | None = None,
        voices: Voices | None = None,
    ) -> None:
        """
        Store the parts; `run` starts the work.

        `now` returns the wall clock in seconds.  `heartbeat` is called again and again while the engine completes
        steps or is idle, at most once a second.
        """
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
        adapters = adapters_for(engine, settings.threads)
        one_by_one = adapters[0].one_by_one
        limits = BatchLimits(
            can.max_batch,
            settings.max_padded_seconds,
            settings.stale_partial_ms / 1_000,
            one_by_one,
        )
        self._look_at: dict[Partition, float] = {}
        """When to look again for job streams and for finals of other workers, by the clock of the event loop."""

        self._inflight = InflightJobs(limits, joins=adapters[0].joins, threads=len(adapters))
        recent = RecentSpeech() if can.context else None
        job_io = JobIO(
            queue,
            can.name,
            settings.max_deliveries,
            self._meter,
            names,
            voices,
            recent,
            is_calibrated=can.is_calibrated,
        )
        self._executors = [
            EngineExecutor(self._inflight, adapter, job_io, now, self._meter, thread=thread)
            for thread, adapter in enumerate(adapters)
        ]

    async def run(self) -> None:
        """Work until cancelled.  Raises EngineBrokenError when the process must be restarted."""
        tried = False
        try:
            async with asyncio.TaskGroup() as working:
                recognising = {working.create_task(one.run()) for one in self._executors}
                for loop in (self._keep_leases, self._report_capacity, self._report_alive):
                    working.create_task(loop())
                try:
                    await self._claim_all()
                except asyncio.CancelledError:
                    await self._drain(recognising)
                    raise
        except BaseExceptionGroup as group:
            _, others = group.split(is_out_of_memory)
            tried = others is not None
            raise
        finally:
            await _bounded(self._leave(tried=tried))

    # Claiming

    async def _claim_all(self) -> None:
        async with asyncio.TaskGroup() as claiming:
            for partition in self._partitions:
                claiming.create_task(self._claim(partition))

    async def _claim(self, partition: Partition) -> None:
        """Claim jobs of one partition while there is room; after a lost connection, start again with `prepare`."""
        while True:
            try:
                await self._queue.prepare()
                self._inflight.take(await self._queue.reclaim_own(partition), self._now())
                while True:
                    await self._inflight.has_room.wait()
                    await self._claim_once(partition)
            except (RedisError, OSError) as exc:
                logger.warning("redis_unavailable", error=type(exc).__name__)
                await asyncio.sleep(BACK_OFF)

    async def _claim_once(self, partition: Partition) -> None:
        room = max(1, self._inflight.room)
        wait_ms = min(_LONGEST_CLAIM_WAIT_MS, _CLAIM_WAIT_MS * len(self._partitions))
        looks = _is_due(self._look_at, partition, _LOOK_SECONDS)
        partials = self._inflight.takes_partials
        claimed = await self._queue.claim(
            partition,
            room,
            wait_ms if partials else _BUSY_CLAIM_WAIT_MS,
            looks=looks,
            partials=partials,
            drafts=self._inflight.takes_drafts,
        )
        self._inflight.take(claimed, self._now())
        if looks:
            await self._take_over(partition, room)
        if not (self._inflight.waiting or self._inflight.begun):
            recorded = await self._queue.claim_recorded(partition, self._settings.lease_ms)
            self._inflight.take(recorded, self._now())

    async def _take_over(self, partition: Partition, room: int) -> None:
        """Claim finals that other workers left."""
        left = await self._queue.take_over(partition, self._settings.lease_ms, room)
        self._inflight.take(left, self._now())
        for one in left:
            self._meter.claimed(one.deliveries)

    async def _keep_leases(self) -> None:
        """Extend the leases of all claimed jobs.  Raises EngineBrokenError when one step exceeds its time limit."""
        limit = self._settings.step_limit_seconds
        while True:
            await asyncio.sleep(self._settings.lease_ms / 5_000)
            if any((one.at_step_for or 0.0) > limit for one in self._executors):
                raise EngineBrokenError(
                    "one step of the engine takes longer than step_limit_seconds"
                )
            try:
                await self._queue.extend([*self._inflight.waiting, *self._inflight.begun])
            except (RedisError, OSError) as exc:
                logger.warning("leases_not_extended", error=type(exc).__name__)

    # Reporting

    async def _report_alive(self) -> None:
        """Send a heartbeat after each step of the engine, and while it is idle.  Nothing here waits for Redis."""
        reported = [-1 for _ in self._executors]
        while True:
            steps = [one.steps for one in self._executors]
            if all(
                one.at_step_for is None or one.steps != before
                for one, before in zip(self._executors, reported, strict=True)
            ):
                reported = steps
                self._heartbeat()
            await asyncio.sleep(min(1.0, self._settings.step_limit_seconds / 5))

    @property
    def _capacity(self) -> float | None:
        """Of all threads; of those that are not measured yet, the mean of the others.  None: none is measured."""
        known = [one.throughput.capacity for one in self._executors]
        measured = [one for one in known if one is not None]
        return sum(measured) / len(measured) * len(known) if measured else None

    async def _report_capacity(self) -> None:
        """Report the measured capacity to the gateways, which admit calls by it."""
        while True:
            most = self._can.max_keywords if self._can.keywords else 0
            capacity = self._capacity
            self._meter.is_at(capacity)
            try:
                at = await self._queue.capacity.now()
                report = WorkerCapacity(at, capacity, self._tasks, most)
                await self._queue.capacity.publish(report)
            except (RedisError, OSError) as exc:
                logger.warning("capacity_not_reported", error=type(exc).__name__)
            await asyncio.sleep(REPORT_SECONDS)

    # Ending

    async def _drain(self, recognising: set[asyncio.Task[None]]) -> None:
        """Hand back the waiting jobs, then let the engine finish its own within `drain_seconds`."""
        for executor in self._executors:
            executor.finish()
        await _bounded(self._hand_back(self._inflight.waiting, tried=False))
        await asyncio.wait(recognising, timeout=self._settings.drain_seconds)
        if begun := self._inflight.begun:
            logger.warning("batch_abandoned", segments=len(begun))

    async def _leave(self, *, tried: bool) -> None:
        """Hand back all jobs.  `tried`: the jobs that the engine had may have broken it, so they count as tries."""
        await self._hand_back(self._inflight.waiting, tried=False)
        begun = self._inflight.begun
        if not tried:
            await self._take_back_tries(begun)
        await self._hand_back(begun, tried=tried)
        try:
            await self._queue.capacity.withdraw()
        except (RedisError, OSError) as exc:
            logger.warning("capacity_not_reported", error=type(exc).__name__)

    async def _take_back_tries(self, jobs: Sequence[ClaimedJob]) -> None:
        try:
            await self._queue.take_back_tries(jobs)
        except (RedisError, OSError) as exc:
            logger.warning("tries_not_taken_back", error=type(exc).__name__)

    async def _hand_back(self, jobs: Sequence[ClaimedJob], *, tried: bool) -> None:
        """Hand back `jobs`.  If Redis does not answer, they stay claimed until their leases expire."""
        try:
            await self._queue.hand_back(jobs, tried=tried)
        except (RedisError, OSError) as exc:
            logger.warning("leases_not_handed_back", error=type(exc).__name__)
            return
        for one in jobs:
            self._inflight.finish(one)


def _is_due(times: dict[Partition, float], partition: Partition, every: float) -> bool:
    """Return whether the last time is `every` seconds ago, and note the next: a busy worker claims more often."""
    now = asyncio.get_running_loop().time()
    if now < times.get(partition, now):
        return False
    times[partition] = now + every
    return True


async def _bounded(commands: Coroutine[object, object, None]) -> None:
    """
    Run `commands` in a task of its own, for at most `_SHUTDOWN_SECONDS`.

    The calling task is cancelled, so commands to Redis that it sent itself would be cancelled too.
    """
    task = asyncio.ensure_future(commands)
    _, late = await asyncio.wait({task}, timeout=_SHUTDOWN_SECONDS)
    for one in late:
        one.cancel()
