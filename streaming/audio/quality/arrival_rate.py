"""Measures whether audio arrives in real time."""

from protocol.clock import CALL_RATE

_STEP = 0.1
"""Seconds between measurements."""

_OBSERVATIONS = 11
"""Measurements in a result: one second.  Even at half the rate, no segment can end earlier."""

_LONGEST_STEP = 1.0
"""Seconds between two measurements after which the earlier ones do not count."""

_STEADY = 1.5
"""No step may be faster or slower than the whole by this factor: arrival in bursts shows no rate."""

_WRONG = ((0.46, 0.54), (1.85, 2.15))
"""Half and twice the declared rate.  Other speeds come from files, which a bridge may send at any speed."""

_RIGHT = (0.85, 1.15)


class ArrivalRate:
    """Measures the speed of steadily arriving audio, relative to real time."""

    def __init__(self) -> None:
        self.is_right = False
        """Whether the latest result was 1.0."""

        self._observations: list[tuple[float, int]] = []
        self._speeds: list[float] = []

    def arrive(self, position: int, now: float) -> float | None:
        """
        Take that audio up to `position`, on the call clock, has arrived at `now`, in seconds of any clock.

        Returns the speed relative to real time: 1.0 if the arrival is steady and correct, the measured speed if it
        is steadily off by a factor of two, None for anything else, which proves nothing.  After a break of more
        than a second the measurement begins again.
        """
        self.is_right = (speed := self._observe(position, now)) == 1.0
        return speed

    def _observe(self, position: int, now: float) -> float | None:
        if self._observations and now - self._observations[-1][0] < _STEP:
            return None
        if self._observations and self._is_break(position, now):
            self._observations.clear()
            self._speeds.clear()
        observation = (now, position)
        if self._observations:
            self._speeds.append(_speed(self._observations[-1], observation))
        self._observations.append(observation)
        del self._observations[:-_OBSERVATIONS], self._speeds[: 1 - _OBSERVATIONS]
        if len(self._observations) < _OBSERVATIONS:
            return None
        return self._verdict()

    def _is_break(self, position: int, now: float) -> bool:
        last, latest = self._observations[-1]
        return position < latest or now - last > _LONGEST_STEP

    def _verdict(self) -> float | None:
        whole = _speed(self._observations[0], self._observations[-1])
        steady = whole / _STEADY < min(self._speeds) and max(self._speeds) < whole * _STEADY
        wrong = any(low <= whole <= high for low, high in _WRONG)
        if steady and _RIGHT[0] <= whole <= _RIGHT[1]:
            return 1.0
        return whole if steady and wrong else None


def _speed(one: tuple[float, int], other: tuple[float, int]) -> float:
    return (other[1] - one[1]) / CALL_RATE / (other[0] - one[0])
