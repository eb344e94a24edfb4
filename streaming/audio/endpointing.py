"""
Where segments begin and end: a pure machine, fed with one tick at a time.

A tick is 20 ms of one channel.  The settings are milliseconds; inside, everything is ticks.
"""

from collections import deque
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto
from typing import Self

import numpy as np

from protocol.clock import CALL_RATE

TICK = CALL_RATE // 50
"""Samples of the call clock in a tick: 20 ms."""

LONGEST_MS = 15_000
"""No segment may be longer: beyond it small engines begin to loop, and padding spoils batches."""

_SMOOTHING = 5
"""Ticks over which the level is averaged before the quietest moment is sought: one soft tick is no pause."""


@dataclass(frozen=True, slots=True)
class Endpointing:
    """When a segment begins and ends, in milliseconds; whole ticks are used, rounded up."""

    preroll_ms: int = 300
    """Taken in before the first voiced tick: words begin softly, and detectors wake late."""

    hangover_ms: int = 500
    """Silence that ends a segment."""

    afterroll_ms: int = 400
    """Kept behind the last voiced tick: words end softly, and less cost words.  Never more than the hang-over."""

    start_voiced_ms: int = 60
    start_window_ms: int = 120
    """So much voice within so much time is speech; less is a click."""

    minimum_ms: int = 400
    """A segment is no shorter, unless the call ends: engines do badly on scraps."""

    maximum_ms: int = 12_000
    """A segment is no longer, pre-roll included."""

    cut_window_ms: int = 3_000
    """Where speech goes on past the maximum, the quietest moment of this stretch becomes the boundary."""

    def __post_init__(self) -> None:
        """Refuse what cannot be kept: ValueError says which setting and what would do."""
        if not 100 <= self.hangover_ms <= 5_000:
            raise ValueError(f"hang-over of {self.hangover_ms} ms: choose 100 to 5000")
        if not 0 < self.start_voiced_ms <= self.start_window_ms <= 1_000:
            raise ValueError(
                "start_voiced_ms must lie within start_window_ms, and that within 1000"
            )
        if not 0 <= self.preroll_ms <= 1_000 or not 0 <= self.afterroll_ms <= 1_000:
            raise ValueError("preroll_ms and afterroll_ms must lie between 0 and 1000")
        if not 2_000 <= self.maximum_ms <= LONGEST_MS:
            raise ValueError(f"maximum_ms of {self.maximum_ms}: choose 2000 to {LONGEST_MS}")
        if not 200 <= self.cut_window_ms <= self.maximum_ms - self.minimum_ms:
            raise ValueError("cut_window_ms must be at least 200 and leave room for minimum_ms")
        if not 0 <= self.minimum_ms <= 1_000:
            raise ValueError("minimum_ms must lie between 0 and 1000")

    def with_hangover(self, hangover_ms: int | None) -> Self:
        """The same with the hang-over of one call; None changes nothing."""
        return self if hangover_ms is None else replace(self, hangover_ms=hangover_ms)


RECORDED = Endpointing(hangover_ms=2_000, maximum_ms=14_000, cut_window_ms=8_000)
"""
Of recordings, where nobody waits for the words: pauses do not end a segment, so that it fills the engine's length
and short pieces are not decoded alone; it is cut in the quietest moment of its last 8 s.
"""


class State(Enum):
    """What the segmenter believes of the channel."""

    SILENT = auto()
    SPEAKING = auto()
    """A segment is open, and the last tick was voiced."""

    ENDING = auto()
    """A segment is open, and the last tick was not voiced."""


class Reason(StrEnum):
    """Why a segment was closed."""

    PAUSE = "pause"
    LENGTH = "length"
    FINISHED = "finished"
    """The call ended, or somebody asked for the words now."""

    LOST = "lost"
    """The audio behind it never came."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A segment begins with tick `tick`."""

    tick: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The open segment ends; `tick` is the first that it does not hold."""

    tick: int
    reason: Reason


Boundary = Opened | Closed


class Segmenter:
    """
    Turn voiced and unvoiced ticks into segment boundaries.

    Pure: no audio, no clock, no I/O.  Boundaries come in order; segments never overlap.
    """

    def __init__(self, settings: Endpointing | None = None) -> None:
        settings = settings or Endpointing()
        self.state = State.SILENT
        self._preroll = _ticks(settings.preroll_ms)
        self._hangover = _ticks(settings.hangover_ms)
        self._afterroll = min(_ticks(settings.afterroll_ms), self._hangover)
        self._needed = _ticks(settings.start_voiced_ms)
        self._window = _ticks(settings.start_window_ms)
        self._minimum = _ticks(settings.minimum_ms)
        self._maximum = settings.maximum_ms // 20
        self._now = 0
        self._end = 0
        self._start = 0
        self._voiced_until = 0
        self._candidates: deque[int] = deque(maxlen=self._needed)
        self._levels: deque[float] = deque(maxlen=_ticks(settings.cut_window_ms))

    @property
    def now(self) -> int:
        """How many ticks have been fed."""
        return self._now

    @property
    def earliest(self) -> int:
        """No segment to come begins before this tick: older audio may be forgotten.  Never goes back."""
        reach = self._window + self._preroll
        match self.state:
            case State.SILENT:
                return max(self._end, self._now - reach)
            case State.SPEAKING | State.ENDING:
                return max(self._start, self._now - max(reach, len(self._levels)))

    def feed(self, voiced: bool, level: float) -> list[Boundary]:  # noqa: FBT001 - it is what a tick is
        """Advance one tick of mean power `level` (any scale); return the boundaries it revealed."""
        tick, self._now = self._now, self._now + 1
        self._levels.append(level)
        match self.state, voiced:
            case State.SILENT, True:
                return self._consider(tick)
            case State.SILENT, False:
                return []
            case _, True:
                self.state, self._voiced_until = State.SPEAKING, self._now
            case _, False:
                self.state = State.ENDING
        return self._settle()

    def close(self, reason: Reason = Reason.FINISHED) -> list[Boundary]:
        """End the open segment here and now, if there is one.  Ticks may follow."""
        if self.state is State.SILENT:
            return []
        softly = max(self._voiced_until + self._afterroll, self._start + self._minimum)
        self._end = min(self._now, softly)
        self.state = State.SILENT
        self._candidates.clear()
        return [Closed(self._end, reason)]

    def skip(self, ticks: int) -> None:
        """Advance over audio that does not exist: no segment reaches back over it.  Close the open one first."""
        if self.state is not State.SILENT:
            raise RuntimeError("a segment is open: close it where the audio ends")
        self._now += ticks
        self._end = self._now
        self._candidates.clear()
        self._levels.clear()

    def _consider(self, tick: int) -> list[Boundary]:
        """Open a segment if this voiced tick and those just before it are more than a click."""
        self._candidates.append(tick)
        first = self._candidates[0]
        if len(self._candidates) < self._needed or tick - first >= self._window:
            return []
        self.state, self._voiced_until = State.SPEAKING, self._now
        self._start = max(self._end, first - self._preroll)
        return [Opened(self._start)]

    def _settle(self) -> list[Boundary]:
        """Close what has paused or grown too long."""
        if self._now - self._voiced_until >= self._hangover:
            return self.close(Reason.PAUSE)
        if self._now - self._start < self._maximum:
            return []
        # In a pause there is nothing to cut through, and a segment of silence would help nobody.
        return self._cut() if self.state is State.SPEAKING else self.close(Reason.LENGTH)

    def _cut(self) -> list[Boundary]:
        """Make the quietest recent moment the boundary between two segments."""
        self._start = self._end = self._quietest()
        return [Closed(self._start, Reason.LENGTH), Opened(self._start)]

    def _quietest(self) -> int:
        """The middle of the quietest 100 ms that a cut may use; the latest of equals."""
        first = max(self._now - len(self._levels), self._start + self._minimum)
        levels = np.array(self._levels)[first - self._now :]
        smooth = np.convolve(levels, np.ones(_SMOOTHING), mode="valid")
        latest = len(smooth) - 1 - int(np.argmin(smooth[::-1]))
        return first + latest + _SMOOTHING // 2


def _ticks(milliseconds: int) -> int:
    """Whole ticks that cover `milliseconds`."""
    return -(-milliseconds // 20)
