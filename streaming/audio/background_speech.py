"""
Separates the channel's own speaker from speakers farther away, by level.  Pure.

The headset of an agent hears the neighbours too.  Their speech is background if it stays clearly below the level of
the channel's own speaker, once that level is known.  A tick is near if its level, averaged over 0.1 s, comes close
to it; each syllable with stress does.  A segment without near ticks is background.  If near speech begins or ends
inside a segment, the segment is split there.

The level follows the speaker: down within 15 s of own speech.  For a speaker whose level falls suddenly, background
speech of more than 10 s without own speech between lowers the threshold slowly, until it is own speech.
"""

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from math import log10

from numpy import percentile

from .endpointing import SPLIT_REACH
from .recent_levels import RecentLevels
from .sound_events import VoiceSource

_SMOOTHING = 5
"""Ticks over which the level is averaged: 0.1 s."""

_QUANTILE = 80
"""Percentile of the levels of voiced ticks that counts as the speaker's level."""

_KNOWN = 150
"""Voiced ticks of the own speaker from which the level is known: 3 s.  Before, all speech is his."""

_MEMORY = 750
"""Latest voiced ticks of the own speaker that give the level: 15 s."""

_NEAR_DB = 8.5
"""A tick is near if it is at most so far below the speaker's level."""

_NEAR_TICKS, _NEAR_WINDOW = 4, 15
"""So many near ticks within a window of so many ticks are own speech: one loud tick is not."""

_SHORT = 30
"""With fewer voiced ticks a segment is short ..."""

_SHORT_DB = 3.0
"""... and must be so much farther below to be background: the level of one word says less."""

_LEAD, _TAIL = 12, 15
"""Ticks before the first and after the last near tick that belong to the own speaker: soft beginnings and ends."""

_LEAST_LEAD = 40
"""Ticks before own speech that become a segment of their own; fewer remain with it."""

_LEAST_TAIL, _LEAST_FAR = 50, 30
"""Ticks after own speech, and voiced ticks among them, from which they become a segment of their own."""

_RELIEF_DB = 0.3 / 50
"""Fall of the threshold for each voiced tick of background speech, 0.3 dB/s ..."""

_PATIENCE = 500
"""... behind so many since own speech, 10 s: a neighbour may tell a story (`bench/background_speech.py`)."""

_LEAST_POWER = 1.0


class BackgroundTracker:
    """Knows the level of the channel's own speaker, and tells near ticks from others while a segment is open."""

    def __init__(self) -> None:
        self._own = RecentLevels(_MEMORY)
        self._level: float | None = None
        self._passed = 0
        """Voiced ticks of background speech since own speech."""

        self._near_power = 0.0
        self._recent: deque[float] = deque(maxlen=_SMOOTHING)
        self._near: deque[int] = deque(maxlen=_NEAR_TICKS)
        self._voiced = array("q")
        """Numbers of the voiced ticks of the open segment; `_powers`: the mean power of each."""

        self._powers = array("d")

        self._start = 0
        self._first_near = 0
        self._last_near: int | None = None
        """The first and the last near tick of the open segment; None if it has no own speech so far."""

        self._far = 0
        """Voiced ticks since the last near one."""

    @property
    def level(self) -> float | None:
        """Level of the own speaker in dB, relative to one step of a 16-bit sample; None until it is known."""
        return self._level

    @property
    def is_near(self) -> bool:
        """Whether the open segment has own speech so far."""
        return self._level is None or self._last_near is not None

    def begin(self, start: int) -> None:
        """A segment opens at tick `start`."""
        self._start = start

    def feed(self, tick: int, power: float, *, voiced: bool) -> int | None:
        """
        Take the next tick of the open segment, of mean power `power` before the gain.

        Returns the tick before which the segment must be split, because own speech begins or has ended there.
        """
        self._recent.append(power)
        if not voiced:
            return None
        power = _mean(self._recent)
        self._voiced.append(tick)
        self._powers.append(power)
        if power >= self._near_power:
            return self._take_near(tick)
        self._far += 1
        return self._take_far(tick)

    def end(self, end: int) -> VoiceSource:
        """The open segment ends before tick `end`.  Returns whose voice it has."""
        count = bisect_left(self._voiced, end)
        powers = self._powers[:count].tolist()
        self._voiced, self._powers = self._voiced[count:], self._powers[count:]
        is_background = self._is_background(end, powers)
        if is_background:
            self._passed += len(powers)
        else:
            self._learn(powers)
        if self._level is not None:
            relief = _RELIEF_DB * max(0, self._passed - _PATIENCE)
            self._near_power = _power(self._level - _NEAR_DB - relief)
        self._first_near = end
        if self._last_near is not None and self._last_near < end:
            self._last_near = None
        return VoiceSource.BACKGROUND if is_background else VoiceSource.OWN

    def _take_near(self, tick: int) -> int | None:
        self._far = 0
        self._near.append(tick)
        if self._last_near is not None:
            self._last_near = tick
            return None
        first = self._near[0]
        if len(self._near) < _NEAR_TICKS or tick - first >= _NEAR_WINDOW:
            return None
        self._first_near, self._last_near = first, tick
        begins = max(first - _LEAD, tick + 1 - SPLIT_REACH)
        is_late = self._level is not None and begins - self._start >= _LEAST_LEAD
        return begins if is_late else None

    def _take_far(self, tick: int) -> int | None:
        last = self._last_near
        if last is None or self._far < _LEAST_FAR or tick - last < _LEAST_TAIL:
            return None
        return max(last + _TAIL, tick + 1 - SPLIT_REACH)

    def _is_background(self, end: int, powers: list[float]) -> bool:
        if self._level is None or not powers:
            return False
        if self._last_near is not None and self._first_near < end:
            return False
        if len(powers) >= _SHORT:
            return True
        return max(powers) < self._near_power * 10 ** (-_SHORT_DB / 10)

    def _learn(self, powers: list[float]) -> None:
        levels = [10 * log10(max(power, _LEAST_POWER)) for power in powers]
        self._own.extend(levels)
        if len(self._own) < _KNOWN:
            return
        if self._level is not None:
            as_before = sum(level >= self._level - _NEAR_DB for level in levels)
            self._passed = 0 if as_before >= _NEAR_TICKS else self._passed
        self._level = float(percentile(self._own.as_array(), _QUANTILE))


def _mean(powers: Iterable[float]) -> float:
    """Return the mean of at least one power, added in order: `sum` of Python 3.12 rounds otherwise."""
    total, count = 0.0, 0
    for power in powers:
        total += power
        count += 1
    return total / count


def _power(decibels: float) -> float:
    return float(10 ** (decibels / 10))
