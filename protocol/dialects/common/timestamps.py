"""Positions out of the timestamps that a bridge puts on its frames."""

from ...clock import CALL_RATE


class Stamps:
    """
    Turn milliseconds into samples, for all tracks of a stream.

    Stamps are rounded to whole milliseconds, or read off a wall clock.  One that misses the end of the frame
    before it by less than the tolerance continues that frame: so rounding makes no gaps, and because samples
    are counted in between it cannot add up either.  A real loss is larger than the tolerance, or becomes so.
    """

    def __init__(
        self, rate: int = CALL_RATE, *, tolerance_ms: int = 10, wall_clock: bool = False
    ) -> None:
        """`rate` of the samples in Hz; on a wall clock the first frame of any track is zero."""
        self._rate = rate
        self._tolerance = tolerance_ms * rate // 1_000
        self._zero: int | None = None if wall_clock else 0
        self._due: dict[int, int] = {}

    def follow(self, track: int, samples: int) -> int:
        """Where a frame of so many samples begins that has no timestamp: where the one before it ends."""
        due = self._due.get(track, 0)
        self._due[track] = due + samples
        return due

    def position(self, track: int, stamp_ms: int, samples: int) -> int:
        """Where a frame of so many samples begins."""
        if self._zero is None:
            self._zero = stamp_ms
        at = max(0, stamp_ms - self._zero) * self._rate // 1_000
        due = self._due.get(track, 0)
        if abs(at - due) < self._tolerance:
            at = due
        self._due[track] = at + samples
        return at
