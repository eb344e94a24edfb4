"""
Decides the load level: what a gateway leaves out while the workers or itself (`gateway_load`) are behind.

Pure.  Each step is announced as an event: fewer partials, no partials, no new calls.  Finals of accepted calls are
never left out.
"""

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
