"""What a worker has in hand: which jobs wait, which the engine has, which are answered but not settled."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from protocol.clock import to_seconds

from .engines.base import Effort
from .event_builder import span_of
from .job_queue import Claimed
from .scheduler import Limits, Running, Waiting, plan


@dataclass(frozen=True, slots=True)
class Selection:
    """Jobs that are to be worked on next, together; and partials that came too late."""

    run: tuple[Claimed, ...] = ()
    stale: tuple[Claimed, ...] = ()


class InflightJobs:
    """
    The claimed jobs of one worker, each in one place until it is finished.

    Waiting jobs are chosen by the plan, chosen ones are worked on, answered ones are being settled.
    """

    def __init__(self, limits: Limits, *, joins: bool) -> None:
        """`joins` says whether jobs may be chosen while others are worked on."""
        self._limits = limits
        self._joins = joins
        self._waiting: dict[str, tuple[Claimed, Waiting]] = {}
        self._chosen: dict[str, tuple[Claimed, Waiting]] = {}
        self._answered: dict[str, Claimed] = {}
        self.has_room = asyncio.Event()
        """Set while jobs may be claimed."""

        self.has_news = asyncio.Event()
        """Set when something has changed since the last `choose`."""

        self.has_room.set()

    @property
    def room(self) -> int:
        """How many jobs more may be claimed: two batches are enough to choose from."""
        return max(0, 2 * self._limits.max_batch - len(self._waiting))

    @property
    def waiting(self) -> list[Claimed]:
        """Jobs that were not begun."""
        return [one for one, _ in self._waiting.values()]

    @property
    def begun(self) -> list[Claimed]:
        """Jobs that were chosen and are not settled."""
        return [*(one for one, _ in self._chosen.values()), *self._answered.values()]

    def take(self, claimed: Iterable[Claimed], now: float) -> None:
        """Take in what was claimed at `now`; what is in hand already stays where it is."""
        for one in claimed:
            if one.key not in self._chosen and one.key not in self._answered:
                self._waiting.setdefault(one.key, (one, _as_planned(one, now)))
        self._signal()

    def choose(self, now: float) -> Selection:
        """Take who runs next out of those that wait; partials that came too late leave the hand."""
        self.has_news.clear()
        if self._chosen and not self._joins:
            return Selection()
        todo = plan([one for _, one in self._waiting.values()], self._limits, now, self._running())
        stale = tuple(self._waiting.pop(key)[0] for key in todo.drop)
        self._chosen |= {key: self._waiting.pop(key) for key in todo.run}
        self._mark_room()
        return Selection(tuple(self._chosen[key][0] for key in todo.run), stale)

    def put_back(self, chosen: Iterable[Claimed]) -> None:
        """These were not begun after all."""
        for one in chosen:
            if one.key in self._chosen:
                self._waiting[one.key] = self._chosen.pop(one.key)
        self._signal()

    def answer(self, one: Claimed) -> None:
        """The engine is through with a job."""
        self._answered[one.key], _ = self._chosen.pop(one.key)
        self._signal()

    def finish(self, one: Claimed) -> None:
        """A job is settled, dropped or handed back."""
        for place in (self._waiting, self._chosen, self._answered):
            place.pop(one.key, None)
        self._signal()

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
        finals = sum(one.effort is Effort.FINAL for one in running)
        return Running(finals, any(one.alone for one in running))


def _as_planned(one: Claimed, now: float) -> Waiting:
    """What the plan needs to know of a job that was claimed at `now`; a recording comes behind all that is live."""
    span = span_of(one.job, 0)
    return Waiting(
        entry=one.key,
        effort=one.effort,
        seconds=to_seconds(span.end - span.start),
        queued_at=inf if one.recorded else one.job.queued_at,
        claimed_at=now,
        alone=one.deliveries > 1,
    )
