"""One load level for each task."""

from collections.abc import Iterable, Mapping

from protocol.events import LoadLevel
from protocol.scheduling.worker_capacity import Task

from .load_shedding import LoadShedder


class TaskLoads:
    """A load level for each task that has ever been behind."""

    def __init__(self) -> None:
        self._loads: dict[Task, LoadShedder] = {}

    def observe(self, waits: Mapping[Task, float]) -> bool:
        """Take the current waiting time of each task, in seconds.  Returns whether a level has changed."""
        tasks = [*waits, *(task for task in self._loads if task not in waits)]
        changed = [
            self._loads.setdefault(task, LoadShedder()).observe(waits.get(task, 0.0))
            for task in tasks
        ]
        return any(changed)

    def level(self, task: Task) -> LoadLevel:
        """Return the load level for calls that need `task`."""
        load = self._loads.get(task)
        return load.level if load else LoadLevel.NORMAL

    def least(self, tasks: Iterable[Task]) -> LoadLevel:
        """Return the lowest level of `tasks`; if `tasks` is empty, the highest level of all known tasks."""
        return min(map(self.level, tasks), default=self.worst)

    @property
    def worst(self) -> LoadLevel:
        """The highest level of all known tasks."""
        return max((one.level for one in self._loads.values()), default=LoadLevel.NORMAL)
