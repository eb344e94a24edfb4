"""
How much work the workers are behind with, and what a gateway leaves out while they are.

Pure.  Degradation happens in public and in steps: partials less often, no partials, no new calls.  Finals of calls
that were taken are never left out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from protocol.capacity import FRESH_SECONDS, WorkerCapacity
from protocol.events import LoadLevel

_SEGMENT_SECONDS = 5.0
"""How long a segment is taken to be: people's are shorter, so the wait is rather overestimated."""

_THRESHOLDS = {
    LoadLevel.FEWER_PARTIALS: 1.0,
    LoadLevel.NO_PARTIALS: 2.0,
    LoadLevel.NO_NEW_CALLS: 4.0,
}
"""Seconds of waiting from which a level is entered."""

_CALM = 5
"""So many looks in a row must find the wait below half of a level's threshold before it is left."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What lies in the lanes of finals at one moment."""

    segments: int
    oldest_seconds: float
    """How long the oldest has been there."""

    capacity: float | None
    """Seconds of speech that all workers finish in a second; None where not all have been measured."""

    @property
    def wait(self) -> float:
        """
        Seconds that a segment queued now has to wait.

        The less of what the oldest has waited and what the workers need for all: one segment that nobody can
        read is old and no backlog.
        """
        if not self.segments:
            return 0.0
        if not self.capacity:  # nobody works, or nobody knows how fast
            return self.oldest_seconds
        return min(self.oldest_seconds, self.segments * _SEGMENT_SECONDS / self.capacity)


def capacity_of(told: Iterable[WorkerCapacity], now: float) -> float | None:
    """Of all workers that have spoken lately; None when one of them has not been measured, 0 when there is none."""
    fresh = [one.capacity for one in told if now - one.at <= FRESH_SECONDS]
    known = [capacity for capacity in fresh if capacity is not None]
    return sum(known) if len(known) == len(fresh) else None


class Load:
    """The level, with hysteresis: up at once, down one step after a while of calm."""

    def __init__(self) -> None:
        self.level = LoadLevel.NORMAL
        self._calm = 0

    def observe(self, wait: float) -> bool:
        """Take in the seconds that a segment has to wait now; whether the level has changed."""
        before = self.level
        reached = [level for level, threshold in _THRESHOLDS.items() if wait >= threshold]
        if reached and reached[-1] > self.level:
            self.level, self._calm = reached[-1], 0
        elif self.level is not LoadLevel.NORMAL and wait < _THRESHOLDS[self.level] / 2:
            self._calm += 1
            if self._calm >= _CALM:
                self.level, self._calm = LoadLevel(self.level - 1), 0
        else:
            self._calm = 0
        return self.level is not before
