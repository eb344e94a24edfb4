"""
Which workers live, what they can do, and how long a job has to wait for those that can do it.

Pure.  One value for each partition at one moment; `TaskLoads` keeps a load level for each task over time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from protocol.capacity import FRESH_SECONDS, Task, WorkerCapacity
from protocol.events import LoadLevel

from .load import Backlog, Load, capacity_of


@dataclass(frozen=True, slots=True)
class LaneDepth:
    """What lies in one lane of finals."""

    segments: int = 0
    oldest_seconds: float = 0.0
    """How long the oldest has been there."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers of a partition and the finals that wait for them."""

    workers: tuple[WorkerCapacity, ...] = ()
    """Those that have spoken lately."""

    waiting: Mapping[Task, LaneDepth] = field(default_factory=dict)
    for_any: LaneDepth = LaneDepth()
    """What lies in the lane that all workers read."""

    @classmethod
    def of(
        cls,
        told: Iterable[WorkerCapacity],
        now: float,
        waiting: Mapping[Task, LaneDepth],
        for_any: LaneDepth,
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
        return max(self._lane_wait(task), elsewhere, self._wait_of(self.for_any, self.workers))

    def _before(self, tasks: frozenset[Task]) -> float:
        """Seconds of waiting in all lanes that a worker with these tasks reads."""
        lanes = [task for task in self.waiting if task in tasks]
        oldest = max((self.waiting[task].oldest_seconds for task in lanes), default=0.0)
        return min(oldest, sum(map(self._lane_wait, lanes)))

    def _lane_wait(self, task: Task) -> float:
        return self._wait_of(self.waiting.get(task, LaneDepth()), self.able(task))

    def _wait_of(self, depth: LaneDepth, workers: Iterable[WorkerCapacity]) -> float:
        latest = max((one.at for one in self.workers), default=0.0)
        capacity = capacity_of(workers, latest)
        return Backlog(depth.segments, depth.oldest_seconds, capacity).wait


class TaskLoads:
    """A load level for each task that has ever been behind."""

    def __init__(self) -> None:
        self._loads: dict[Task, Load] = {}

    def observe(self, waits: Mapping[Task, float]) -> bool:
        """Take in how long a segment of each task has to wait now, in seconds; whether a level has changed."""
        tasks = [*waits, *(task for task in self._loads if task not in waits)]
        changed = [
            self._loads.setdefault(task, Load()).observe(waits.get(task, 0.0)) for task in tasks
        ]
        return any(changed)

    def level(self, task: Task) -> LoadLevel:
        """What is left out in calls that need `task`."""
        load = self._loads.get(task)
        return load.level if load else LoadLevel.NORMAL

    def least(self, tasks: Iterable[Task]) -> LoadLevel:
        """The level of the task of `tasks` that is least behind; of all that are known where there are none."""
        return min(map(self.level, tasks), default=self.worst)

    @property
    def worst(self) -> LoadLevel:
        """The level of the task that is most behind."""
        return max((one.level for one in self._loads.values()), default=LoadLevel.NORMAL)
