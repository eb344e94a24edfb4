"""
How far the workers or the gateway itself are behind, and what a gateway leaves out meanwhile.

Pure.  Degradation happens in public and in steps: partials less often, no partials, no new calls.  Finals of calls
that were taken are never left out.
"""

from collections import deque
from collections.abc import Mapping

from protocol.events import LoadLevel

_THRESHOLDS = {
    LoadLevel.FEWER_PARTIALS: 1.0,
    LoadLevel.NO_PARTIALS: 2.0,
    LoadLevel.NO_NEW_CALLS: 4.0,
}
"""Seconds of waiting from which a level is entered."""

_CALM = 5
"""So many looks in a row must find the wait below half of a level's threshold before it is left."""

_LAG_THRESHOLDS = {
    LoadLevel.FEWER_PARTIALS: 0.5,
    LoadLevel.NO_PARTIALS: 1.0,
    LoadLevel.NO_NEW_CALLS: 2.0,
}
"""Seconds by which the event loop is late on average; a heartbeat stops only after many times that."""

_LAG_CALM = 20
"""The same as `_CALM`, for looks that come four times a second."""


class LoadShedder:
    """
    The level, with hysteresis: up at once, down one step after a while of calm.

    Where nothing waits at all, the level is normal at once: there is nothing left to protect.
    """

    def __init__(
        self, thresholds: Mapping[LoadLevel, float] = _THRESHOLDS, calm: int = _CALM
    ) -> None:
        """`thresholds`: seconds from which each level is entered, rising; `calm`: looks before a step down."""
        self.level = LoadLevel.NORMAL
        self._thresholds = thresholds
        self._needed = calm
        self._calm = 0

    def observe(self, wait: float) -> bool:
        """Take in the seconds of waiting, 0 where nothing waits; whether the level has changed."""
        before = self.level
        reached = [level for level, threshold in self._thresholds.items() if wait >= threshold]
        if reached and reached[-1] > self.level:
            self.level, self._calm = reached[-1], 0
        elif wait <= 0:
            self.level, self._calm = LoadLevel.NORMAL, 0
        elif self.level is not LoadLevel.NORMAL and wait < self._thresholds[self.level] / 2:
            self._calm += 1
            if self._calm >= self._needed:
                self.level, self._calm = LoadLevel(self.level - 1), 0
        else:
            self._calm = 0
        return self.level is not before


class LoopLoad:
    """The level that follows from how late the event loop is."""

    def __init__(self) -> None:
        self._load = LoadShedder(_LAG_THRESHOLDS, _LAG_CALM)
        self._lags: deque[float] = deque(maxlen=4)

    @property
    def level(self) -> LoadLevel:
        """What is to be left out."""
        return self._load.level

    def observe(self, lag: float) -> bool:
        """
        Take in by how many seconds the loop was late just now; whether the level has changed.

        The mean of four looks counts: a single stall ends by itself, and leaving out work would not shorten it.
        """
        self._lags.append(lag)
        mean = sum(self._lags) / (self._lags.maxlen or 1)
        return self._load.observe(
            max(mean, 1e-9)
        )  # a loop has no queue that could be seen to be empty
