"""The quality checks of one channel: passes its frames to the `QualityMonitor` of the call.  Pure."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import assert_never

import numpy as np

from protocol.audio import Pcm
from protocol.clock import CALL_RATE, from_rate
from protocol.events import Fault, LineWarning, Span

from ..sound_events import SegmentClosed, SegmentGrew, SegmentOpened, SegmentPaused, SoundEvent
from .monitor import QualityMonitor

_CHECK_SECONDS = 0.1
"""Seconds between two measurements of the speed of arrival."""


class ChannelQuality:
    """
    Holds frames until the segmenter has decided where they contain speech, and then has them measured.

    Positions of frames are samples at the bridge's rate; spans are samples of the call clock.
    """

    def __init__(self, monitor: QualityMonitor, number: int, rate: int) -> None:
        """`monitor`: shared by all channels of the call; `rate`: sample rate of the bridge, in Hz."""
        self._monitor = monitor
        self._number = number
        self._rate = rate
        self._waiting: deque[tuple[int, Pcm]] = deque()
        """Frames that the monitor has not received yet, each with its first sample."""

        self._due = 0
        """Position, on the call clock, at which the monitor's next block is complete."""

        self._checked_at = -_CHECK_SECONDS
        self._speech_from: int | None = None
        """Start of the open segment, on the call clock; None while no segment is open."""

    def add(self, position: int, pcm: Pcm) -> None:
        """Take a frame in order: int16 `[n]`, its first sample at `position`."""
        self._waiting.append((position, pcm))

    def is_due(self, now: float) -> bool:
        """Return whether to measure the speed of arrival at `now`, in monotonic seconds: not at each frame."""
        return now - self._checked_at >= _CHECK_SECONDS

    def arrive(self, position: int, now: float) -> list[LineWarning]:
        """Audio up to `position`, on the call clock, has arrived at `now`.  Call it when it `is_due`."""
        self._checked_at = now
        return self._monitor.arrive(self._number, position, now)

    def lose(self, span: Span) -> list[LineWarning]:
        """The audio of `span` was lost before it arrived."""
        return self._monitor.lose(self._number, span)

    @property
    def misread(self) -> Fault | None:
        """The fault that makes the audio useless for recognition; None if there is none."""
        return self._monitor.misread(self._number)

    @property
    def levels(self) -> tuple[float, float] | None:
        """The levels of the channel, as `QualityMonitor.levels`."""
        return self._monitor.levels(self._number)

    def forget_segment(self) -> None:
        """A new segmenter begins: no segment is open."""
        self._speech_from = None

    def segment(
        self, events: Sequence[SoundEvent], decided: int, received: int
    ) -> list[LineWarning]:
        """
        Take events of the segmenter, and have the frames measured that it has decided about.

        `decided`: position on the call clock up to which speech is known; `received`: end of the frames added.
        """
        closed = []
        for event in events:
            match event:
                case SegmentOpened(start=start):
                    self._speech_from = start
                case SegmentClosed(span=span):
                    self._speech_from = None
                    closed.append(span)
                case SegmentGrew() | SegmentPaused():
                    pass
                case _:
                    assert_never(event)
        return self._measure(decided, closed, received) if decided >= self._due else []

    def _measure(self, decided: int, closed: list[Span], received: int) -> list[LineWarning]:
        """Pass frames before `decided` to the monitor.  `closed`: the spans of segments that have just closed."""
        block, warnings = self._monitor.block, list[LineWarning]()
        for start, frames in self._blocks(decided, block):
            last = start + sum(map(len, frames[:-1]))
            speaking = self._is_speech(from_rate(last, self._rate), closed)
            pcm = np.concatenate(frames)
            warnings += self._monitor.feed(self._number, start, pcm, speaking=speaking)
        checked = self._waiting[0][0] if self._waiting else received
        self._due = from_rate((checked // block + 1) * block, self._rate)
        return warnings

    def _blocks(self, decided: int, block: int) -> Iterator[tuple[int, list[Pcm]]]:
        """
        Remove the frames before `decided`, on the call clock.

        Yields those that follow each other up to the frame that completes a block, with the start of the first.
        """
        limit = -(-(decided + 1) * self._rate // CALL_RATE)  # `from_rate` rounds down
        start, end, frames = 0, 0, list[Pcm]()
        while self._waiting and self._waiting[0][0] + len(self._waiting[0][1]) < limit:
            position, pcm = self._waiting.popleft()
            if frames and (position != end or end // block > start // block):
                yield start, frames
                frames = []
            start = start if frames else position
            frames.append(pcm)
            end = position + len(pcm)
        if frames:
            yield start, frames

    def _is_speech(self, at: int, closed: list[Span]) -> bool:
        """Return whether `at`, on the call clock, is in the open segment or in one of `closed`."""
        is_open = self._speech_from is not None and at >= self._speech_from
        return is_open or any(span.start <= at < span.end for span in closed)
