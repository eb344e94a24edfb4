"""
Decides the load level: what a gateway leaves out while the workers or the gateway itself are behind.

Pure.  Each step is announced as an event: fewer partials, no partials, no new calls.  Finals of accepted calls are
never left out.
"""

from collections import deque
from collections.abc import Mapping

from protocol.events import LoadLevel

_THRESHOLDS = {
    LoadLevel.FEWER_PARTIALS: 1.0,
    LoadLevel.NO_PARTIALS: 2.0,
    LoadLevel.NO_NEW_CALLS: 4.0,
}
"""Waiting time in seconds at which each level is entered."""

_CALM = 5
"""Consecutive observations below half of a level's threshold before the level is left."""

_LAG_THRESHOLDS = {
    LoadLevel.FEWER_PARTIALS: 0.5,
    LoadLevel.NO_PARTIALS: 1.0,
    LoadLevel.NO_NEW_CALLS: 2.0,
}
"""Mean delay of the event loop in seconds at which each level is entered; heartbeats stop only much later."""

_LAG_CALM = 20
"""The same as `_CALM`, for observations that come four times a second."""


class LoadShedder:
    """
    The load level with hysteresis: it rises at once, and falls one step after `calm` low observations.

    If nothing waits, the level is normal at once.
    """

    def __init__(
        self, thresholds: Mapping[LoadLevel, float] = _THRESHOLDS, calm: int = _CALM
    ) -> None:
        """`thresholds`: seconds at which each level is entered, rising; `calm`: observations before a step down."""
        self.level = LoadLevel.NORMAL
        self._thresholds = thresholds
        self._needed = calm
        self._calm = 0

    def observe(self, wait: float) -> bool:
        """Take a waiting time in seconds, 0 if nothing waits.  Returns whether the level has changed."""
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
    """The load level that follows from the delay of the event loop."""

    def __init__(self) -> None:
        self._load = LoadShedder(_LAG_THRESHOLDS, _LAG_CALM)
        self._lags: deque[float] = deque(maxlen=4)

    @property
    def level(self) -> LoadLevel:
        """The load level."""
        return self._load.level

    def observe(self, lag: float) -> bool:
        """
        Take a measured delay of the loop, in seconds.  Returns whether the level has changed.

        The mean of four measurements counts: leaving out work would not shorten a single stall.
        """
        self._lags.append(lag)
        mean = sum(self._lags) / (self._lags.maxlen or 1)
        return self._load.observe(
            max(mean, 1e-9)
        )  # never 0: unlike a queue, a loop is never known to be empty
