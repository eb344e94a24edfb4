"""
Finds the voice of the other party in a channel: echo and side-tone.  Pure.

A leak has the envelope of the other channel, up to half a second later and well below its level.  The envelopes
are the levels of ticks, which codecs and rooms hardly change.  `python bench/background_speech.py` found
correlations of 0.91 or more for a leak 20 dB below, with noise and echoes, and of 0.80 or less for other speech.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log10
from typing import Protocol

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from protocol.events import Span

from .endpointing import TICK
from .sound_events import SegmentClosed, VoiceSource

LONGEST_LAG = 25
"""Ticks by which a leak may come later: 0.5 s."""

_ALIKE = 0.85
"""Correlation of the envelopes from which a segment is a leak."""

_BELOW_DB = 10.0
"""A leak is at least so far below the other channel; a reply in the same rhythm is not."""

_LONG = 80
"""Ticks from which the envelope of a segment proves a leak: 1.6 s, pre-roll and after-roll included."""

_LAG_SPREAD, _GAIN_SPREAD_DB = 1, 5.0
"""A shorter segment must have the lag and the gain of a leak that was proved before, up to these."""

Powers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LevelTrace:
    """The mean powers of the latest ticks of a channel; `end`: tick of the call clock after the last one."""

    end: int
    powers: Powers

    @property
    def start(self) -> int:
        """The first tick."""
        return self.end - len(self.powers)

    def cut(self, start: int, end: int) -> Powers | None:
        """Return the powers of ticks `start` to `end`; None unless all of them are known."""
        if not self.start <= start < end <= self.end:
            return None
        return self.powers[start - self.start : end - self.start]


@dataclass(frozen=True, slots=True)
class Leak:
    """How a segment resembles another channel: correlation of the envelopes, lag in ticks, and gain in dB."""

    correlation: float
    lag: int
    gain_db: float

    @property
    def is_likely(self) -> bool:
        """Whether the segment may be a leak."""
        return self.correlation >= _ALIKE and self.gain_db <= -_BELOW_DB

    def resembles(self, proved: "Leak") -> bool:
        """Return whether lag and gain are those of a leak that was proved."""
        is_as_late = abs(self.lag - proved.lag) <= _LAG_SPREAD
        return is_as_late and abs(self.gain_db - proved.gain_db) <= _GAIN_SPREAD_DB


class Traced(Protocol):
    """The interface of a channel to the detector."""

    @property
    def trace(self) -> LevelTrace:
        """The latest levels of the channel, before any gain."""
        ...


class CrosstalkDetector:
    """Judges the segments of one call's channels."""

    def __init__(self) -> None:
        self._channels: Sequence[Traced] = ()
        self._proved: dict[tuple[int, int], Leak] = {}

    def watch(self, channels: Sequence[Traced]) -> None:
        """Set the channels of the call, by their numbers.  With fewer than two, nothing is found."""
        self._channels = channels

    def judge(self, channel: int, closed: SegmentClosed) -> SegmentClosed:
        """Return the event of a segment of `channel`, with its source if it is crosstalk."""
        if len(self._channels) < 2:
            return closed
        own = self._channels[channel].trace
        for number, other in enumerate(self._channels):
            if number != channel and self._is_leak(
                (channel, number), own, other.trace, closed.span
            ):
                return replace(closed, source=VoiceSource.CROSSTALK)
        return closed

    def _is_leak(
        self, way: tuple[int, int], own: LevelTrace, other: LevelTrace, span: Span
    ) -> bool:
        leak = leak_in(own, other, span)
        if leak is None or not leak.is_likely:
            return False
        if span.end - span.start >= _LONG * TICK:
            self._proved[way] = leak
            return True
        proved = self._proved.get(way)
        return proved is not None and leak.resembles(proved)


def leak_in(own: LevelTrace, other: LevelTrace, span: Span) -> Leak | None:
    """Compare the segment `span` of one channel with another channel; None if the levels of one are not known."""
    start, end = span.start // TICK, span.end // TICK
    earliest = max(start - LONGEST_LAG, min(start, other.start))
    here, there = own.cut(start, end), other.cut(earliest, end)
    if here is None or there is None or not here.any() or not there.any():
        return None
    there = np.concatenate([np.zeros(LONGEST_LAG - (start - earliest)), there])  # before the call
    correlations = _correlations(np.sqrt(here), np.sqrt(there))
    best = int(correlations.argmax())
    power = float(there[best : best + len(here)].sum())
    gain = 10 * log10(float(here.sum()) / power) if power else 0.0
    return Leak(float(correlations[best]), LONGEST_LAG - best, gain)


def _correlations(short: Powers, long: Powers) -> Powers:
    """Return the normalised correlation of `short` with `long` at each shift."""
    windows = sliding_window_view(long, len(short))
    windows = windows - windows.mean(axis=1, keepdims=True)
    short = short - short.mean()
    size = np.sqrt((windows**2).sum(axis=1) * float(short @ short))
    found: Powers = np.divide(windows @ short, size, out=np.zeros(len(size)), where=size > 0)
    return found
