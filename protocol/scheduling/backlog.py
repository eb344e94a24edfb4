"""The jobs that wait for workers, and the speed of the workers."""

from collections.abc import Iterable
from dataclasses import dataclass

from .worker_capacity import FRESH_SECONDS, WorkerCapacity

_SEGMENT_SECONDS = 5.0
"""Assumed length of a segment. Real segments are shorter, so the waiting time is rather overestimated."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """State of a job stream of finals at one moment."""

    segments: int
    oldest_seconds: float
    """Age of the oldest job."""

    capacity: float | None
    """Seconds of speech that all workers finish per second; None if not all were measured."""

    @property
    def wait(self) -> float:
        """
        Expected waiting time in seconds of a segment that is queued now.

        The smaller of the age of the oldest job and the time that the workers need for all jobs: a single job that
        no worker can read is old, but it is no backlog.
        """
        if not self.segments:
            return 0.0
        if not self.capacity:  # no worker, or unknown speed
            return self.oldest_seconds
        return min(self.oldest_seconds, self.segments * _SEGMENT_SECONDS / self.capacity)


def capacity_of(reports: Iterable[WorkerCapacity], now: float) -> float | None:
    """Total capacity of workers with a fresh report; None if one of them is not measured, 0 without workers."""
    fresh = [one.capacity for one in reports if now - one.at <= FRESH_SECONDS]
    known = [capacity for capacity in fresh if capacity is not None]
    return sum(known) if len(known) == len(fresh) else None
