"""
The live workers of a partition, their tasks, and the expected waiting time of a job.

Pure. A `Fleet` is a snapshot of one partition.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .backlog import Backlog, capacity_of
from .worker_capacity import FRESH_SECONDS, Task, WorkerCapacity


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Length of a job stream of finals."""

    segments: int = 0
    oldest_seconds: float = 0.0
    """Age of the oldest job."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers of a partition and the finals that wait for them."""

    workers: tuple[WorkerCapacity, ...] = ()
    """Workers that reported within `FRESH_SECONDS`."""

    waiting: Mapping[Task, QueueDepth] = field(default_factory=dict)
    for_any: QueueDepth = QueueDepth()
    """Jobs in the job stream that all workers read."""

    @classmethod
    def of(
        cls,
        reports: Iterable[WorkerCapacity],
        now: float,
        waiting: Mapping[Task, QueueDepth],
        for_any: QueueDepth,
    ) -> "Fleet":
        """A fleet from the reports of workers. `now`: seconds, by the clock of the reports."""
        fresh = tuple(one for one in reports if now - one.at <= FRESH_SECONDS)
        return cls(fresh, {task: one for task, one in waiting.items() if one.segments}, for_any)

    @property
    def tasks(self) -> frozenset[Task]:
        """Tasks that at least one live worker supports; empty if no worker has reported tasks."""
        return frozenset(task for one in self.workers for task in one.tasks)

    def able(self, task: Task) -> list[WorkerCapacity]:
        """The live workers that support `task`."""
        return [one for one in self.workers if task in one.tasks]

    def keyword_limit(self, task: Task) -> int | None:
        """Lowest keyword limit per segment of the workers for `task`; None if none has a limit."""
        limits = [one.max_keywords for one in self.able(task) if one.max_keywords is not None]
        return min(limits, default=None)

    def wait(self, task: Task) -> float:
        """
        Expected waiting time in seconds of a segment of `task` that is queued now.

        At least the time for the job stream of the task. If its workers read other job streams too, at least the
        time for all job streams of the least busy of them.
        """
        able = {one.tasks for one in self.able(task)}
        elsewhere = min((self._before(tasks) for tasks in able), default=0.0)
        return max(self._queue_wait(task), elsewhere, self._wait_of(self.for_any, self.workers))

    def _before(self, tasks: frozenset[Task]) -> float:
        """Waiting time in seconds for all job streams that a worker with these tasks reads."""
        job_streams = [task for task in self.waiting if task in tasks]
        oldest = max((self.waiting[task].oldest_seconds for task in job_streams), default=0.0)
        return min(oldest, sum(map(self._queue_wait, job_streams)))

    def _queue_wait(self, task: Task) -> float:
        return self._wait_of(self.waiting.get(task, QueueDepth()), self.able(task))

    def _wait_of(self, depth: QueueDepth, workers: Iterable[WorkerCapacity]) -> float:
        latest = max((one.at for one in self.workers), default=0.0)
        capacity = capacity_of(workers, latest)
        return Backlog(depth.segments, depth.oldest_seconds, capacity).wait
