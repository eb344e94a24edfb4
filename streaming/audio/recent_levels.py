"""The latest levels of a channel, eight bytes each: a Python number takes four times as much."""

from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_SLACK = 64
"""Levels by which more are kept, so that not every one moves all others."""


class RecentLevels:
    """Keeps the newest `most` numbers.  Zeros before all other numbers, as of digital silence, take no memory."""

    __slots__ = ("_kept", "_most", "_zeros")

    def __init__(self, most: int) -> None:
        """`most`: 1 or more."""
        self._most = most
        self._zeros = 0
        """Zeros before `_kept`."""

        self._kept = array("d")

    def __len__(self) -> int:
        return min(self._zeros + len(self._kept), self._most)

    @property
    def held_bytes(self) -> int:
        """Bytes of memory that the numbers take."""
        return self._kept.itemsize * len(self._kept)

    def append(self, level: float) -> None:
        """Add the next level."""
        if level or self._kept:
            self._kept.append(level)
            if len(self._kept) > self._most + _SLACK:
                self._trim()
        else:
            self._zeros += 1

    def extend(self, levels: Sequence[float]) -> None:
        """Add levels in order."""
        if self._kept or any(levels):
            self._kept.extend(levels)
            if len(self._kept) > self._most + _SLACK:
                self._trim()
        else:
            self._zeros += len(levels)

    def clear(self) -> None:
        """Drop all levels."""
        self._zeros, self._kept = 0, array("d")

    def as_array(self) -> npt.NDArray[np.float64]:
        """Return a copy of the levels, the newest one last: `[n]`."""
        kept = self._kept[-self._most :]
        levels = np.zeros(len(self))
        levels[len(levels) - len(kept) :] = kept
        return levels

    def _trim(self) -> None:
        self._zeros = 0
        del self._kept[: -self._most]
        if not any(self._kept):
            self._zeros, self._kept = len(self._kept), array("d")
