"""How much work waits for the workers, and how fast they work."""

from collections.abc import Iterable
from dataclasses import dataclass

from .worker_capacity import FRESH_SECONDS, WorkerCapacity

_SEGMENT_SECONDS = 5.0


"""How long a segment is taken to be: people's are shorter, so the wait is rather overestimated."""


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
