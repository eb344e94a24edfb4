"""Which of the waiting segments run next: a function of values, without a queue, a clock or an engine."""

from collections.abc import Sequence
from dataclasses import dataclass

from .engine import Effort


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


def plan(waiting: Sequence[Waiting], limits: Limits, now: float) -> Plan:
    """
    Choose the next batch: finals before partials, oldest first, within the padding budget.

    A batch holds one effort only: a final never waits for the partials beside it.
    """
    drop = tuple(
        one.entry
        for one in waiting
        if one.effort is Effort.PARTIAL and now - one.claimed_at > limits.stale
    )
    fresh = sorted((one for one in waiting if one.entry not in drop), key=lambda one: one.queued_at)
    finals = [one for one in fresh if one.effort is Effort.FINAL]
    return Plan(_fit(finals or fresh, limits), drop)


def _fit(due: Sequence[Waiting], limits: Limits) -> tuple[str, ...]:
    """As many from the front as fit; the first always does, and one that runs alone runs alone."""
    chosen: list[Waiting] = []
    longest = 0.0
    for one in due[: limits.max_batch]:
        longest = max(longest, one.seconds)
        too_much = longest * (len(chosen) + 1) > limits.max_padded_seconds
        if chosen and (too_much or one.alone):
            break
        chosen.append(one)
        if one.alone:
            break
    return tuple(one.entry for one in chosen)
