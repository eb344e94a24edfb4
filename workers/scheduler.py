"""Which of the waiting segments run next: a function of values, without a queue, a clock or an engine."""

from collections.abc import Sequence
from dataclasses import dataclass

from .engines.base import Effort

_PARTIALS_BETWEEN_STEPS = 4
"""
While finals are being written, this part of a batch of partials goes in between two steps.

Reasoned: 16 open segments of 2 s are 8 ms on an H100 by the reference's arithmetic, about one decode step.
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the plan needs to know of a claimed segment."""

    entry: str
    effort: Effort
    seconds: float
    """Length of the audio as far as known."""

    queued_at: float
    """Wall clock in seconds: finals are due in this order."""

    claimed_at: float
    alone: bool = False
    """A segment that was delivered before: it may be what killed a worker, so it takes nobody with it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one batch may hold."""

    max_batch: int
    max_padded_seconds: float
    """Batch size times the longest clip: what the padding costs."""

    stale: float
    """Seconds after which a claimed partial is not worth running: a newer one is on its way."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Entries to run together, in this order, and partials to forget."""

    run: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Running:
    """Who is being worked on already and may be joined."""

    finals: int = 0
    alone: bool = False
    """One of them has to be left alone."""


NOBODY = Running()


def plan(waiting: Sequence[Waiting], limits: Limits, now: float, running: Running = NOBODY) -> Plan:
    """
    Choose who runs next, or joins: finals before partials, oldest first, within the padding budget.

    Those chosen are of one effort: a final never waits for the partials beside it.  Partials take nobody's place,
    so they join while finals that find no room wait; but only a few at a time, because every step of the running
    finals waits for them.
    """
    drop = tuple(
        one.entry
        for one in waiting
        if one.effort is Effort.PARTIAL and now - one.claimed_at > limits.stale
    )
    if running.alone:
        return Plan((), drop)
    fresh = sorted((one for one in waiting if one.entry not in drop), key=lambda one: one.queued_at)
    finals = [one for one in fresh if one.effort is Effort.FINAL]
    if chosen := _joining(finals, limits, running):
        return Plan(chosen, drop)
    partials = [one for one in fresh if one.effort is Effort.PARTIAL]
    most = (
        max(1, limits.max_batch // _PARTIALS_BETWEEN_STEPS) if running.finals else limits.max_batch
    )
    return Plan(_fit(partials, limits, most), drop)


def _joining(finals: Sequence[Waiting], limits: Limits, running: Running) -> tuple[str, ...]:
    """The finals that may start now; one that runs alone waits until nobody runs, and those behind it with it."""
    if running.finals and finals and finals[0].alone:
        return ()
    return _fit(finals, limits, limits.max_batch - running.finals)


def _fit(due: Sequence[Waiting], limits: Limits, most: int) -> tuple[str, ...]:
    """As many from the front as fit; the first always does, and one that runs alone runs alone."""
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
