"""The claimed jobs of a worker: which wait, which the engine has, and which are answered but not settled."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from protocol.clock import to_seconds
from protocol.events import SegmentId

from .engines.base import Effort
from .job_queue import ClaimedJob
from .scheduler import AT_ENGINE, BatchLimits, Running, Waiting, plan
from .text.event_builder import span_of


@dataclass(frozen=True, slots=True)
class Selection:
    """Jobs to run next, together, and partials to drop because they came too late."""

    run: tuple[ClaimedJob, ...] = ()
    stale: tuple[ClaimedJob, ...] = ()


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A job that the scheduler selected for one of the engine's threads."""

    claimed: ClaimedJob
    planned: Waiting
    thread: int


class InflightJobs:
    """
    The claimed jobs of one worker, each in exactly one state until it is finished.

    The states: waiting, chosen (the scheduler selected it and the engine works on it), answered (being settled).

    An engine may work in several threads.  Each chooses jobs of its own, none while another thread has nothing to
    do; but all jobs of a segment whose draft a thread has go there: the final takes the draft over, and speech that
    goes on ends the work on it.
    """

    def __init__(self, limits: BatchLimits, *, joins: bool, threads: int = 1) -> None:
        """`joins`: whether jobs may be chosen while the engine works on others; `threads`: those of the engine."""
        self._limits = limits
        self._joins = joins
        self._threads = threads
        self._waiting: dict[str, tuple[ClaimedJob, Waiting]] = {}
        self._chosen: dict[str, _Chosen] = {}
        self._answered: dict[str, ClaimedJob] = {}
        self.has_room = asyncio.Event()
        """Set while jobs may be claimed."""

        self.has_news = tuple(asyncio.Event() for _ in range(threads))
        """For each thread: set when something has changed since its last `choose`."""

        self.has_room.set()

    @property
    def room(self) -> int:
        """
        How many more jobs may be claimed.  Two batches of waiting jobs are enough to choose from.

        For an engine that works one by one, only finals count: partials never keep finals waiting.
        """
        if self._limits.one_by_one:
            return max(0, self._most - self._held(Effort.FINAL))
        return max(0, 2 * self._limits.max_batch - len(self._waiting))

    @property
    def takes_partials(self) -> bool:
        """Whether partials may be claimed too: while the engine has enough of them, another worker may be idle."""
        return not self._limits.one_by_one or self._held(Effort.PARTIAL) < self._most

    @property
    def takes_drafts(self) -> bool:
        """Whether drafts may be claimed too."""
        return not self._limits.one_by_one or self._held(Effort.DRAFT) < self._most

    @property
    def waiting(self) -> list[ClaimedJob]:
        """Jobs that the engine has not begun."""
        return [one for one, _ in self._waiting.values()]

    @property
    def begun(self) -> list[ClaimedJob]:
        """Jobs that were chosen and are not settled yet."""
        return [*(one.claimed for one in self._chosen.values()), *self._answered.values()]

    def take(self, claimed: Iterable[ClaimedJob], now: float) -> None:
        """Add jobs claimed at `now` (wall clock, seconds).  Jobs that are present already keep their state."""
        for one in claimed:
            if one.key not in self._chosen and one.key not in self._answered:
                self._waiting.setdefault(one.key, (one, _as_planned(one, now)))
        self._signal()

    def choose(self, now: float, thread: int = 0) -> Selection:
        """Select the waiting jobs that `thread` runs next, and remove the partials that came too late."""
        self.has_news[thread].clear()
        if self._chosen and not self._joins:
            return Selection()
        todo = plan(self._open_to(thread), self._limits, now, self._running(thread))
        late = [key for key in self._needless if key not in todo.drop]
        stale = tuple(self._waiting.pop(key)[0] for key in (*todo.drop, *late))
        run = [key for key in todo.run if key in self._waiting]
        run = run[:1] if self._idle - {thread} else run
        self._chosen |= {key: _Chosen(*self._waiting.pop(key), thread) for key in run}
        self._mark_room()
        if run:
            self._tell_others(thread)
        return Selection(tuple(self._chosen[key].claimed for key in run), stale)

    def put_back(self, chosen: Iterable[ClaimedJob]) -> None:
        """Return chosen jobs to the waiting ones: the engine did not begin them."""
        for one in chosen:
            if begun := self._chosen.pop(one.key, None):
                self._waiting[one.key] = begun.claimed, begun.planned
        self._signal()

    def answer(self, one: ClaimedJob) -> None:
        """Mark a job as answered by the engine."""
        self._answered[one.key] = self._chosen.pop(one.key).claimed
        self._signal()

    def finish(self, one: ClaimedJob) -> None:
        """Remove a job that is settled, dropped or handed back."""
        self._waiting.pop(one.key, None)
        self._chosen.pop(one.key, None)
        self._answered.pop(one.key, None)
        self._signal()

    @property
    def _most(self) -> int:
        """Most jobs of one effort that an engine has that works one by one."""
        return AT_ENGINE * self._threads

    def _open_to(self, thread: int) -> list[Waiting]:
        """
        The waiting jobs that may go to `thread`: not if another one has their draft, or has nothing to do.

        While another thread has a final, not a final that must run alone, and no final behind it.
        """
        idle, drafted = self._idle, self._drafting
        is_next = thread in idle or not idle
        found = [
            one
            for job, one in self._waiting.values()
            if (thread in drafted[job.segment] if job.segment in drafted else is_next)
        ]
        lonely = [one.queued_at for one in found if one.alone]
        if not lonely or not self._has_final(thread):
            return found
        return [
            one for one in found if one.effort is not Effort.FINAL or one.queued_at < min(lonely)
        ]

    @property
    def _drafting(self) -> dict[tuple[str, str, SegmentId], set[int]]:
        """The segments of which a draft is in work, and in which threads."""
        found: dict[tuple[str, str, SegmentId], set[int]] = {}
        for one in self._chosen.values():
            if one.claimed.effort is Effort.DRAFT:
                found.setdefault(one.claimed.segment, set()).add(one.thread)
        return found

    @property
    def _idle(self) -> set[int]:
        """The threads that have nothing to do."""
        return set(range(self._threads)) - {one.thread for one in self._chosen.values()}

    @property
    def _needless(self) -> list[str]:
        """The waiting drafts of segments whose final was claimed, and partials that are older than either."""
        waiting = [one for one, _ in self._waiting.values()]
        if all(one.effort is Effort.FINAL for one in waiting):
            return []
        held = (*waiting, *self.begun)
        finals = {one.segment for one in held if one.effort is Effort.FINAL}
        drafts = {one.segment: one.queued_at for one in held if one.effort is Effort.DRAFT}
        return [
            one.key
            for one in waiting
            if (one.effort is not Effort.FINAL and one.segment in finals)
            or (one.effort is Effort.PARTIAL and one.queued_at <= drafts.get(one.segment, -inf))
        ]

    def _signal(self) -> None:
        for news in self.has_news:
            news.set()
        self._mark_room()

    def _tell_others(self, thread: int) -> None:
        """`thread` has something to do now, so that the others may take what waits."""
        for other, news in enumerate(self.has_news):
            if other != thread:
                news.set()

    def _mark_room(self) -> None:
        if self.room:
            self.has_room.set()
        else:
            self.has_room.clear()

    def _has_final(self, but: int) -> bool:
        """Whether a thread other than `but` has a final."""
        return any(
            one.claimed.effort is Effort.FINAL and one.thread != but
            for one in self._chosen.values()
        )

    def _running(self, thread: int) -> Running:
        """What `thread` has; a job that must run alone is beside the jobs of all threads."""
        running = [one for one in self._chosen.values() if one.thread == thread]
        efforts = [one.claimed.effort for one in running]
        return Running(
            efforts.count(Effort.FINAL),
            efforts.count(Effort.PARTIAL),
            efforts.count(Effort.DRAFT),
            any(one.planned.alone for one in self._chosen.values()),
        )

    def _held(self, effort: Effort) -> int:
        """Number of jobs of one effort that are waiting or with the engine."""
        waiting = sum(one.effort is effort for one, _ in self._waiting.values())
        return waiting + sum(one.claimed.effort is effort for one in self._chosen.values())


def _as_planned(one: ClaimedJob, now: float) -> Waiting:
    """The scheduler's view of a job that was claimed at `now`.  Jobs of recordings come after all live jobs."""
    span = span_of(one.job, 0)
    return Waiting(
        entry=one.key,
        effort=one.effort,
        seconds=to_seconds(span.end - span.start),
        queued_at=inf if one.recorded else one.queued_at,
        claimed_at=now,
        alone=one.deliveries > 1,
    )
