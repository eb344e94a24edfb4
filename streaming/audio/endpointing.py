"""
Endpointing: decides where segments begin and end.  Pure; takes one tick at a time.

A tick is 20 ms of one channel.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

import numpy as np
import numpy.typing as npt

from protocol.clock import CALL_RATE

from .endpointing_settings import Endpointing, Limits
from .recent_levels import RecentLevels

TICK = CALL_RATE // 50
"""Samples of the call clock in a tick: 20 ms."""

SPLIT_REACH = 150
"""`Segmenter.split` may name a tick so far in the past: 3 s."""

_SMOOTHING = 5
"""Ticks over which the level is averaged before the quietest point is searched: one soft tick is not a pause."""


class EndpointState(Enum):
    """The state of a channel's endpointing."""

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
    """The call ended, or the bridge requested finals now."""

    SPEAKER = "speaker"
    """Another speaker, farther away or nearer, goes on."""

    LOST = "lost"
    """The audio after the segment was lost."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A segment begins with tick `tick`."""

    tick: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The open segment ends; `tick` is the first tick after it."""

    tick: int
    reason: Reason
    padding: int = 0
    """Ticks of digital silence that the engine gets behind the segment."""


Boundary = Opened | Closed


class Segmenter:
    """
    Turns voiced and unvoiced ticks into segment boundaries.

    Pure: no audio, no clock, no I/O.  Boundaries are returned in order; segments never overlap.
    """

    def __init__(self, settings: Endpointing | None = None) -> None:
        settings = settings or Endpointing()
        limits = Limits.of(settings)
        self.state = EndpointState.SILENT
        self._preroll = limits.preroll
        self._hangover = limits.hangover
        self._doubtful_hangover = limits.doubtful_hangover
        self._patience = self._hangover
        """Ticks without voice after which the open segment ends."""

        self._has_drafts = limits.has_drafts
        self._draft_after = limits.draft_after
        self._afterroll = limits.afterroll
        self.padding = limits.padding
        """Ticks of silence to add behind a segment that ends at `pause`."""

        self._needed = limits.needed
        self._window = limits.window
        self._minimum = limits.minimum
        self._maximum = limits.maximum
        self._now = 0
        self._end = 0
        self._start = 0
        self._voiced_until = 0
        self._candidates: deque[int] = deque(maxlen=self._needed)
        self._cut_window = limits.cut_window
        self._levels = RecentLevels(limits.levels)

    @property
    def now(self) -> int:
        """Number of ticks received."""
        return self._now

    @property
    def is_speaking(self) -> bool:
        """Whether a segment is open, and the last tick was voiced."""
        return self.state is EndpointState.SPEAKING

    @property
    def levels(self) -> npt.NDArray[np.float64]:
        """Mean powers of the latest ticks, the last one at `now`; after a loss, of those behind it."""
        return self._levels.as_array()

    @property
    def earliest(self) -> int:
        """No future segment begins before this tick, so older audio can be dropped.  Never decreases."""
        reach = self._window + self._preroll
        match self.state:
            case EndpointState.SILENT:
                return max(self._end, self._now - reach)
            case EndpointState.SPEAKING | EndpointState.ENDING:
                first_cut = self._start + self._maximum - self._cut_window
                reach = max(reach, SPLIT_REACH)
                return max(self._start, min(self._now - reach, first_cut))

    @property
    def undecided_until(self) -> int | None:
        """
        The tick before which no pause can end the open segment, nor be told of a draft; None if none is open.

        While none is open, the latest voiced ticks may begin one with the next tick: see `may_open`.
        """
        if self.state is EndpointState.SILENT:
            return None
        is_before_draft = self._has_drafts and self._now < self._draft_at
        return self._draft_at if is_before_draft else self._voiced_until + self._patience

    @property
    def may_open(self) -> bool:
        """Whether a segment may open with the next tick, because recent ticks were voiced."""
        recent = self._candidates[-1] if self._candidates else -self._window
        return self.state is EndpointState.SILENT and self._now - recent < self._window

    @property
    def pause(self) -> int | None:
        """
        The tick before which the open segment ends, unless speech goes on; None as long as that is not known.

        None always without drafts.
        """
        if not self._has_drafts or self.state is not EndpointState.ENDING:
            return None
        return self._soft_end if self._now >= self._draft_at else None

    @property
    def _draft_at(self) -> int:
        """The tick from which on the open segment may have a draft, unless speech goes on."""
        return max(self._voiced_until + self._draft_after, self._soft_end)

    @property
    def _soft_end(self) -> int:
        """End of the open segment after its last voiced tick, if enough audio follows."""
        return max(self._voiced_until + self._afterroll, self._start + self._minimum)

    def feed(self, voiced: bool, level: float) -> list[Boundary]:  # noqa: FBT001 - a tick has these two values
        """Advance one tick of mean power `level` (any scale).  Returns the boundaries known now."""
        tick, self._now = self._now, self._now + 1
        self._levels.append(level)
        if self.state is EndpointState.SILENT:
            return self._consider(tick) if voiced else []
        if voiced:
            self.state, self._voiced_until = EndpointState.SPEAKING, self._now
            self._patience = self._hangover
        else:
            self.state = EndpointState.ENDING
        return self._settle()

    def pass_silence(self, levels: Sequence[float]) -> None:
        """Advance by ticks without voice, as `feed` does, while no segment is open."""
        self._now += len(levels)
        self._levels.extend(levels)

    def wait(self, pause: int) -> bool:
        """
        The draft of the open segment up to `pause` is doubtful: it ends after a longer silence, or speech goes on.

        Returns False, and changes nothing, if that is not the current pause: speech went on, or the segment ended.
        """
        if self.pause != pause:
            return False
        self._patience = max(self._hangover, self._doubtful_hangover)
        return self._patience > self._hangover

    def close(self, reason: Reason = Reason.FINISHED) -> list[Boundary]:
        """End the open segment at the current tick, if there is one.  More ticks may follow."""
        if self.state is EndpointState.SILENT:
            return []
        self._end = min(self._now, self._soft_end)
        padding = self.padding if self._end == self._soft_end else 0
        self.state = EndpointState.SILENT
        self._candidates.clear()
        return [Closed(self._end, reason, padding)]

    def split(self, tick: int) -> list[Boundary]:
        """
        Make `tick` the boundary between two segments.

        Raises RuntimeError unless it lies within the open segment and `SPLIT_REACH`.
        """
        in_reach = self._start < tick and self._now - SPLIT_REACH <= tick <= self._now
        if self.state is EndpointState.SILENT or not in_reach:
            raise RuntimeError(f"tick {tick} is not in the open segment")
        self._start = self._end = tick
        return [Closed(tick, Reason.SPEAKER), Opened(tick)]

    def skip(self, ticks: int) -> None:
        """
        Advance over missing audio; no later segment begins before its end.

        Raises RuntimeError if a segment is open: close it first.
        """
        if self.state is not EndpointState.SILENT:
            raise RuntimeError("a segment is still open: close it at the end of the audio")
        self._now += ticks
        self._end = self._now
        self._candidates.clear()
        self._levels.clear()

    def _consider(self, tick: int) -> list[Boundary]:
        """Open a segment if this tick and the ticks just before it contain enough voice."""
        self._candidates.append(tick)
        first = self._candidates[0]
        if len(self._candidates) < self._needed or tick - first >= self._window:
            return []
        self.state, self._voiced_until = EndpointState.SPEAKING, self._now
        self._patience = self._hangover
        self._start = max(self._end, first - self._preroll)
        return [Opened(self._start)]

    def _settle(self) -> list[Boundary]:
        """Close the open segment after a pause or at the maximum length."""
        if self._now - self._voiced_until >= self._patience:
            return self.close(Reason.PAUSE)
        if self._now - self._start < self._maximum:
            return []
        # In a pause no speech has to be cut, and a following segment of silence would be useless.
        return self._cut() if self.state is EndpointState.SPEAKING else self.close(Reason.LENGTH)

    def _cut(self) -> list[Boundary]:
        """Make the quietest recent point the boundary between two segments."""
        self._start = self._end = self._quietest()
        return [Closed(self._start, Reason.LENGTH), Opened(self._start)]

    def _quietest(self) -> int:
        """Return the middle of the quietest 100 ms within the cut window."""
        window = min(len(self._levels), self._cut_window)
        first = max(self._now - window, self._start + self._minimum)
        return first + quietest(self.levels[first - self._now :])


def quietest(levels: npt.NDArray[np.float64]) -> int:
    """Return the middle of the quietest 100 ms of `levels`, one for each tick; the latest if several are equal."""
    smooth = np.convolve(levels, np.ones(_SMOOTHING), mode="valid")
    latest = len(smooth) - 1 - int(np.argmin(smooth[::-1]))
    return latest + _SMOOTHING // 2
