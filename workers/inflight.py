"""The claimed jobs of a worker: which wait, which the engine has, and which are answered but not settled."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from broker.redis_keys import parse_entry_id
from protocol.clock import to_seconds

from .engines.base import Effort
from .job_queue import ClaimedJob
from .scheduler import AT_ENGINE, BatchLimits, Running, Waiting, plan
from .text.event_builder import span_of


@dataclass(frozen=True, slots=True)
class Selection:
    """Jobs to run next, together, and partials to drop because they came too late."""

    run: tuple[ClaimedJob, ...] = ()
    stale: tuple[ClaimedJob, ...] = ()


class InflightJobs:
    """
    The claimed jobs of one worker, each in exactly one state until it is finished.

    The states: waiting, chosen (the scheduler selected it and the engine works on it), answered (being settled).
    """

    def __init__(self, limits: BatchLimits, *, joins: bool) -> None:
        """`joins`: whether jobs may be chosen while the engine works on others."""
        self._limits = limits
        self._joins = joins
        self._waiting: dict[str, tuple[ClaimedJob, Waiting]] = {}
        self._chosen: dict[str, tuple[ClaimedJob, Waiting]] = {}
        self._answered: dict[str, ClaimedJob] = {}
        self.has_room = asyncio.Event()
        """Set while jobs may be claimed."""

        self.has_news = asyncio.Event()
        """Set when something has changed since the last `choose`."""

        self.has_room.set()

    @property
    def room(self) -> int:
        """
        How many more jobs may be claimed.  Two batches of waiting jobs are enough to choose from.

        For an engine that works one by one, only finals count: partials never keep finals waiting.
        """
        if self._limits.one_by_one:
            return max(0, AT_ENGINE - self._held(Effort.FINAL))
        return max(0, 2 * self._limits.max_batch - len(self._waiting))

    @property
    def takes_partials(self) -> bool:
        """Whether partials may be claimed too: while the engine has enough of them, another worker may be idle."""
        return not self._limits.one_by_one or self._held(Effort.PARTIAL) < AT_ENGINE

    @property
    def takes_drafts(self) -> bool:
        """Whether drafts may be claimed too."""
        return not self._limits.one_by_one or self._held(Effort.DRAFT) < AT_ENGINE

    @property
    def waiting(self) -> list[ClaimedJob]:
        """Jobs that the engine has not begun."""
        return [one for one, _ in self._waiting.values()]

    @property
    def begun(self) -> list[ClaimedJob]:
        """Jobs that were chosen and are not settled yet."""
        return [*(one for one, _ in self._chosen.values()), *self._answered.values()]

    def take(self, claimed: Iterable[ClaimedJob], now: float) -> None:
        """Add jobs claimed at `now` (wall clock, seconds).  Jobs that are present already keep their state."""
        for one in claimed:
            if one.key not in self._chosen and one.key not in self._answered:
                self._waiting.setdefault(one.key, (one, _as_planned(one, now)))
        self._signal()

    def choose(self, now: float) -> Selection:
        """Select the waiting jobs to run next, and remove the partials that came too late."""
        self.has_news.clear()
        if self._chosen and not self._joins:
            return Selection()
        todo = plan([one for _, one in self._waiting.values()], self._limits, now, self._running())
        late = [key for key in self._needless if key not in todo.drop]
        stale = tuple(self._waiting.pop(key)[0] for key in (*todo.drop, *late))
        run = [key for key in todo.run if key in self._waiting]
        self._chosen |= {key: self._waiting.pop(key) for key in run}
        self._mark_room()
        return Selection(tuple(self._chosen[key][0] for key in run), stale)

    def put_back(self, chosen: Iterable[ClaimedJob]) -> None:
        """Return chosen jobs to the waiting ones: the engine did not begin them."""
        for one in chosen:
            if one.key in self._chosen:
                self._waiting[one.key] = self._chosen.pop(one.key)
        self._signal()

    def answer(self, one: ClaimedJob) -> None:
        """Mark a job as answered by the engine."""
        self._answered[one.key], _ = self._chosen.pop(one.key)
        self._signal()

    def finish(self, one: ClaimedJob) -> None:
        """Remove a job that is settled, dropped or handed back."""
        for place in (self._waiting, self._chosen, self._answered):
            place.pop(one.key, None)
        self._signal()

    @property
    def _needless(self) -> list[str]:
        """The waiting drafts of segments whose final was claimed."""
        drafts = [one for one, _ in self._waiting.values() if one.effort is Effort.DRAFT]
        if not drafts:
            return []
        held = (*self.waiting, *self.begun)
        finals = {one.segment for one in held if one.effort is Effort.FINAL}
        return [one.key for one in drafts if one.segment in finals]

    def _signal(self) -> None:
        self.has_news.set()
        self._mark_room()

    def _mark_room(self) -> None:
        if self.room:
            self.has_room.set()
        else:
            self.has_room.clear()

    def _running(self) -> Running:
        running = [one for _, one in self._chosen.values()]
        finals, drafts = (
            sum(one.effort is effort for one in running) for effort in (Effort.FINAL, Effort.DRAFT)
        )
        partials = len(running) - finals - drafts
        return Running(finals, partials, drafts, any(one.alone for one in running))

    def _held(self, effort: Effort) -> int:
        """Number of jobs of one effort that are waiting or with the engine."""
        held = (*self._waiting.values(), *self._chosen.values())
        return sum(one.effort is effort for _, one in held)


def _as_planned(one: ClaimedJob, now: float) -> Waiting:
    """The scheduler's view of a job that was claimed at `now`.  Jobs of recordings come after all live jobs."""
    span = span_of(one.job, 0)
    return Waiting(
        entry=one.key,
        effort=one.effort,
        seconds=to_seconds(span.end - span.start),
        queued_at=inf if one.recorded else parse_entry_id(one.entry.encode())[0] / 1_000,
        claimed_at=now,
        alone=one.deliveries > 1,
    )
