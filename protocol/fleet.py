"""
Which workers live, what they can do, and how long a job has to wait for those that can do it.

Pure.  One value for each partition at one moment; `TaskLoads` keeps a load level for each task over time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .backlog import Backlog, capacity_of
from .worker_capacity import FRESH_SECONDS, Task, WorkerCapacity


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """What lies in one lane of finals."""

    segments: int = 0
    oldest_seconds: float = 0.0
    """How long the oldest has been there."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers of a partition and the finals that wait for them."""

    workers: tuple[WorkerCapacity, ...] = ()
    """Those that have spoken lately."""

    waiting: Mapping[Task, QueueDepth] = field(default_factory=dict)
    for_any: QueueDepth = QueueDepth()
    """What lies in the lane that all workers read."""

    @classmethod
    def of(
        cls,
        told: Iterable[WorkerCapacity],
        now: float,
        waiting: Mapping[Task, QueueDepth],
        for_any: QueueDepth,
    ) -> "Fleet":
        """`now`, in seconds, by the clock by which the workers spoke."""
        fresh = tuple(one for one in told if now - one.at <= FRESH_SECONDS)
        return cls(fresh, {task: one for task, one in waiting.items() if one.segments}, for_any)

    @property
    def tasks(self) -> frozenset[Task]:
        """What some living worker can do; empty where none has said."""
        return frozenset(task for one in self.workers for task in one.tasks)

    def able(self, task: Task) -> list[WorkerCapacity]:
        """The living workers that can do `task`."""
        return [one for one in self.workers if task in one.tasks]

    def keyword_limit(self, task: Task) -> int | None:
        """Most keywords that every worker for `task` can use in one segment; None where none has a limit."""
        limits = [one.max_keywords for one in self.able(task) if one.max_keywords is not None]
        return min(limits, default=None)

    def wait(self, task: Task) -> float:
        """
        Seconds that a segment of `task` queued now has to wait.

        Not less than what waits in its own lane needs; where all its workers are busy with other lanes too, what
        the least busy of them has before it.
        """
        able = {one.tasks for one in self.able(task)}
        elsewhere = min((self._before(tasks) for tasks in able), default=0.0)
        return max(self._queue_wait(task), elsewhere, self._wait_of(self.for_any, self.workers))

    def _before(self, tasks: frozenset[Task]) -> float:
        """Seconds of waiting in all lanes that a worker with these tasks reads."""
        job_streams = [task for task in self.waiting if task in tasks]
        oldest = max((self.waiting[task].oldest_seconds for task in job_streams), default=0.0)
        return min(oldest, sum(map(self._queue_wait, job_streams)))

    def _queue_wait(self, task: Task) -> float:
        return self._wait_of(self.waiting.get(task, QueueDepth()), self.able(task))

    def _wait_of(self, depth: QueueDepth, workers: Iterable[WorkerCapacity]) -> float:
        latest = max((one.at for one in self.workers), default=0.0)
        capacity = capacity_of(workers, latest)
        return Backlog(depth.segments, depth.oldest_seconds, capacity).wait
