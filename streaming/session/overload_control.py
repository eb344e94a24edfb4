"""Overload control: measures the workers, the event loop and the memory of Redis, and decides what calls may do."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import structlog
from redis.asyncio import Redis

from broker.queries import ServerProbe, fleet, server_time
from broker.redis_keys import Partition
from protocol.events import LoadLevel
from protocol.scheduling.fleet import Fleet
from protocol.scheduling.worker_capacity import Task

from ..metrics import GatewayMeter
from ..overload.gateway_load import GatewayLoad, LoopSample
from ..overload.retry_times import RetryTimes
from ..overload.task_load import TaskLoads
from ..settings import GatewaySettings
from .calls.live_call import LiveCall

_MEMORY_SLACK = 0.05
"""Hysteresis: memory use must fall by this share below the limit before new calls are accepted again."""

_MOST_NAMED = 40
"""Most tasks that a refusal names."""

logger = structlog.get_logger()


class OverloadControl:
    """Sets the load level of every call of a gateway, and decides whether a new call has room."""

    def __init__(
        self,
        redis: Redis,
        settings: GatewaySettings,
        meter: GatewayMeter,
        calls: Mapping[str, LiveCall],
    ) -> None:
        """`calls`: the calls in progress by filed id; the registry changes them."""
        self._redis = redis
        self._memory_limit = settings.memory_share
        self._meter = meter
        self._calls = calls
        self._loads = TaskLoads()
        self._gateway_load = GatewayLoad(settings.cpu_limit)
        self._retry_times = RetryTimes()
        self._fleets: tuple[Fleet, ...] = ()
        self._orphaned_tasks: frozenset[Task] = frozenset()
        self._is_short_of_memory = False
        self.memory_share = 0.0
        """Used share of the memory limit of Redis, 0 to 1; 0 if Redis has no limit."""

    # Measurements

    async def observe_workers(self, partitions: Sequence[Partition], before: LoadLevel) -> None:
        """
        Measure how far the workers are behind, and set the load level of every call.

        `before`: the level before this round of measurements.  Raises RedisError if Redis does not answer.
        """
        now = await server_time(self._redis)
        self._fleets = tuple(
            await asyncio.gather(*(fleet(self._redis, one, now) for one in partitions))
        )
        needed = {call.call.config.task for call in self._calls.values()}
        tasks = self._tasks.union(needed, *(one.waiting for one in self._fleets))
        self._loads.observe({task: max(one.wait(task) for one in self._fleets) for task in tasks})
        self._check_workers(needed)
        self._publish(before, "workers")

    def observe_loop(self, sample: LoopSample) -> None:
        """Take a measurement of the event loop; set the load level of every call if it changes."""
        before = self.level
        calls = self._calls.values()
        recorded = any(call.call.config.recorded for call in calls)
        if self._gateway_load.observe(sample, len(calls), plays_recordings=recorded):
            self._publish(before, "event loop")

    def observe_memory(self, probes: Sequence[ServerProbe]) -> None:
        """Take the memory use of the Redis servers, one probe for each.  `observe_workers` publishes the level."""
        self.memory_share = max(one.share for one in probes)
        limit = self._memory_limit - _MEMORY_SLACK * self._is_short_of_memory
        if (self.memory_share > limit) is self._is_short_of_memory:
            return
        self._is_short_of_memory = not self._is_short_of_memory
        if self._is_short_of_memory:
            logger.warning("redis_memory_low")
        else:
            logger.warning("redis_memory_sufficient")

    # Decisions

    @property
    def level(self) -> LoadLevel:
        """The load level: the worst of the levels of the workers, the event loop and the memory of Redis."""
        if self._is_short_of_memory:
            return LoadLevel.NO_NEW_CALLS
        return max(self._loads.least(self._tasks), self._gateway_load.level)

    def level_of(self, task: Task) -> LoadLevel:
        """Return the load level for calls that need `task`."""
        return max(self._loads.level(task), self._gateway_load.level)

    @property
    def busy(self) -> float:
        """Share of the last second in which the event loop had work, 0 to 1."""
        return self._gateway_load.busy

    @property
    def obstacle(self) -> str | None:
        """Why a new call has no room, as a text for an operator; None if it has."""
        if self._is_short_of_memory:
            return "the memory of Redis is used up to memory_share"
        if not self._gateway_load.has_room:
            return f"the event loop is busy for {self.busy:.0%} of the time: more calls would pass cpu_limit"
        if self.level is LoadLevel.NO_NEW_CALLS:
            return "the workers or the event loop are behind"
        return None

    def admit(self) -> bool:
        """Return whether a new call has room; if so, count it before it begins."""
        return self.obstacle is None and self._gateway_load.admit()

    def takes(self, task: Task, *, admitted: bool) -> bool:
        """Return whether a new call that needs `task` has room; if so, it is counted unless it was before."""
        if self.level_of(task) is LoadLevel.NO_NEW_CALLS:
            return False
        return admitted or self._gateway_load.admit()

    def retry_seconds(self) -> int:
        """Return after how many seconds the client that is refused now may try again."""
        return self._retry_times.next(time.monotonic())

    # Workers

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639 codes of the languages that living workers can transcribe; empty while none is known."""
        return tuple(sorted(spoken for spoken, written in self._tasks if spoken == written))

    @property
    def task_names(self) -> str:
        """The tasks of all living workers, as a text for the operator of a bridge."""
        return ", ".join(
            sorted("-".join(dict.fromkeys(task)) for task in self._tasks)[:_MOST_NAMED]
        )

    def serves(self, task: Task) -> bool:
        """Return whether a living worker can do `task`; true while no worker has reported its tasks."""
        tasks = self._tasks
        return not tasks or task in tasks

    def keyword_limit(self, task: Task) -> int | None:
        """Return the most keywords that all living workers of `task` can use in one segment; None: no limit."""
        limits = [limit for one in self._fleets if (limit := one.keyword_limit(task)) is not None]
        return min(limits, default=None)

    @property
    def _tasks(self) -> frozenset[Task]:
        """The tasks of all living workers; empty while no worker has reported."""
        return frozenset[Task]().union(*(one.tasks for one in self._fleets))

    def _check_workers(self, needed: set[Task]) -> None:
        """Log when the last worker for a needed task is gone, and count the calls without a worker."""
        known = self._tasks
        lacking = frozenset(task for task in needed if task not in known)
        for task in lacking - self._orphaned_tasks:
            logger.error(
                "no_capable_worker",
                reason=self._lack(task),
                remedy="start a worker whose engine supports this task",
            )
        self._orphaned_tasks = lacking
        self._meter.without_worker(
            sum(call.call.config.task in lacking for call in self._calls.values())
        )

    def _lack(self, task: Task) -> str:
        """Return the reason sent to calls that need `task` if no living worker can do it; otherwise empty."""
        spoken, written = task
        if self._fleets and task not in self._tasks:
            return f"no running worker transcribes {spoken} to {written}: its jobs wait for one"
        return ""

    def _publish(self, before: LoadLevel, reason: str) -> None:
        """Set the load level of every call.  `before`: the level that the log knows."""
        if self.level is not before:
            logger.warning("load_changed", level=self.level.name.lower(), reason=reason)
        for call in self._calls.values():
            task = call.call.config.task
            level = self.level_of(task)
            call.set_load_level(level, self._lack(task) if level else "")
