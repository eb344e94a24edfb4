"""Positions of audio frames, from the timestamps of a bridge."""

from ...clock import CALL_RATE


class Stamps:
    """
    Converts timestamps in milliseconds to positions in samples, for all tracks of a stream.

    Timestamps are rounded to milliseconds, or taken from a wall clock.  If a timestamp differs from the end of the
    previous frame by less than the tolerance, the frame continues that frame.  So rounding makes no gaps, and
    rounding errors do not add up, because samples are counted in between.  A real loss is larger than the
    tolerance, or becomes so.
    """

    def __init__(
        self, rate: int = CALL_RATE, *, tolerance_ms: int = 10, wall_clock: bool = False
    ) -> None:
        """`rate`: sample rate in Hz; `wall_clock`: the first frame of any track is at position 0."""
        self._rate = rate
        self._tolerance = tolerance_ms * rate // 1_000
        self._zero: int | None = None if wall_clock else 0
        self._due: dict[int, int] = {}

    def follow(self, track: int, samples: int) -> int:
        """The position of a frame of `samples` samples without a timestamp: the end of the previous frame."""
        due = self._due.get(track, 0)
        self._due[track] = due + samples
        return due

    def position(self, track: int, stamp_ms: int, samples: int) -> int:
        """The position, in samples, of a frame of `samples` samples with the timestamp `stamp_ms`."""
        if self._zero is None:
            self._zero = stamp_ms
        at = max(0, stamp_ms - self._zero) * self._rate // 1_000
        due = self._due.get(track, 0)
        if abs(at - due) < self._tolerance:
            at = due
        self._due[track] = at + samples
        return at
