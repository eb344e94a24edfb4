"""The scheduler: chooses which waiting segments run next.  Pure: no queue, no clock, no engine."""

from collections.abc import Sequence
from dataclasses import dataclass

from .engines.base import Effort

_PARTIALS_BETWEEN_STEPS = 4
"""
While finals run, at most a batch divided by this number of partials runs between two steps.

Not measured but calculated: 16 open segments of 2 s take 8 ms on an H100, about one decode step.
"""


AT_ENGINE = 2
"""Segments of each effort that an engine that works one by one has: one in work, and one whose audio is fetched."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A claimed segment, as the scheduler sees it."""

    entry: str
    effort: Effort
    seconds: float
    """Length of the audio, as far as it is known."""

    queued_at: float
    """Seconds by the clock of Redis, because the clocks of gateways differ.  Segments run in this order."""

    claimed_at: float
    alone: bool = False
    """A segment that was delivered before.  It may have killed a worker, so it runs without others."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Limits of one batch."""

    max_batch: int
    max_padded_seconds: float
    """Batch size times the longest clip, in seconds: bounds the cost of padding."""

    stale: float
    """Seconds after which a claimed partial is dropped, because a newer one will follow."""

    one_by_one: bool = False
    """
    Whether the engine transcribes one segment at a time.

    Segments then wait where newer finals overtake partials, and where another worker can claim them: not in the
    engine.
    """

    def room(self, running: "Running") -> int:
        """How many finals may start beside those that run."""
        return (AT_ENGINE if self.one_by_one else self.max_batch) - running.finals

    def room_for_drafts(self, running: "Running") -> int:
        """How many drafts may start beside the segments that run."""
        if self.one_by_one:
            return 0 if running.finals else AT_ENGINE - running.drafts
        return self.room_for_partials(running)

    def room_for_partials(self, running: "Running") -> int:
        """How many partials may start beside the segments that run."""
        if self.one_by_one:
            return 0 if running.finals else AT_ENGINE - running.partials
        if running.finals:
            return max(1, self.max_batch // _PARTIALS_BETWEEN_STEPS)
        return self.max_batch


@dataclass(frozen=True, slots=True)
class Plan:
    """Entries to run together, in this order, and entries of partials to drop."""

    run: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Running:
    """The segments that the engine works on already.  New ones may join them."""

    finals: int = 0
    partials: int = 0
    drafts: int = 0
    alone: bool = False
    """Whether one of them must run alone."""


NOTHING_RUNNING = Running()


def plan(
    waiting: Sequence[Waiting], limits: BatchLimits, now: float, running: Running = NOTHING_RUNNING
) -> Plan:
    """
    Choose the segments to run next: finals, then drafts, then partials, oldest first, within the padding budget.

    `now`: wall clock in seconds.  All chosen segments have the same effort, so a final never waits for partials in
    its batch.  Partials take no room from finals, so they may run while finals wait for room; but only a few at a
    time, because every step of the running finals waits for them.
    """
    drop = tuple(
        one.entry
        for one in waiting
        if one.effort is not Effort.FINAL and now - one.claimed_at > limits.stale
    )
    if running.alone:
        return Plan((), drop)
    fresh = sorted((one for one in waiting if one.entry not in drop), key=lambda one: one.queued_at)
    finals = [one for one in fresh if one.effort is Effort.FINAL]
    if chosen := _joining(finals, limits, running):
        return Plan(chosen, drop)
    drafts = [one for one in fresh if one.effort is Effort.DRAFT]
    if chosen := _fit(drafts, limits, limits.room_for_drafts(running)):
        return Plan(chosen, drop)
    partials = [one for one in fresh if one.effort is Effort.PARTIAL]
    return Plan(_fit(partials, limits, limits.room_for_partials(running)), drop)


def _joining(finals: Sequence[Waiting], limits: BatchLimits, running: Running) -> tuple[str, ...]:
    """The finals that may start now.  A final that must run alone waits, with those behind it, until none runs."""
    if running.finals and finals and finals[0].alone:
        return ()
    return _fit(finals, limits, limits.room(running))


def _fit(due: Sequence[Waiting], limits: BatchLimits, most: int) -> tuple[str, ...]:
    """As many from the front of `due` as fit.  The first always fits; one marked `alone` runs without others."""
    chosen: list[Waiting] = []
    longest = 0.0
    for one in due[: max(0, most)]:
        longest = max(longest, one.seconds)
        too_much = longest * (len(chosen) + 1) > limits.max_padded_seconds
        if chosen and (too_much or one.alone):
            break
        chosen.append(one)
        if one.alone:
            break
    return tuple(one.entry for one in chosen)
