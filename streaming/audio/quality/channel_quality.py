"""The quality checks of one channel: passes its frames to the `QualityMonitor` of the call.  Pure."""

import sys
from collections.abc import Sequence
from typing import assert_never

from protocol.audio import Pcm
from protocol.clock import CALL_RATE, from_rate
from protocol.events import Fault, LineWarning, Span

from ..endpointing import TICK
from ..sound_events import SegmentClosed, SegmentGrew, SegmentOpened, SegmentPaused, SoundEvent
from .block import Block
from .block_cutter import CutBlock
from .measuring import WaitingBlock
from .monitor import QualityMonitor

_CHECK_SECONDS = 0.1
"""Seconds between two measurements of the speed of arrival."""

_RECHECK_SECONDS = 5.0
"""Seconds until the next ones, once the speed was right for long."""

_NEVER = sys.maxsize


class ChannelQuality:
    """
    Holds blocks until the segmenter has decided where they contain speech, and then has them measured.

    Positions of audio are samples at the bridge's rate; spans are samples of the call clock.
    """

    def __init__(self, monitor: QualityMonitor, number: int, rate: int) -> None:
        """`monitor`: shared by all channels of the call; `rate`: sample rate of the bridge, in Hz."""
        self._monitor = monitor
        self._number = number
        self._rate = rate
        self._cutter = monitor.cutter(number)
        self._undecided: list[CutBlock] = []
        """Blocks that are complete, but of which the segmenter has not decided whether they contain speech."""

        self.due = _NEVER
        """End of the first of these, on the call clock."""

        self.block = monitor.block
        """Samples of a block."""

        self._tick = rate * TICK // CALL_RATE

        self.due_at = 0.0
        """When to measure the speed of arrival, in monotonic seconds: not at each frame."""

        self._speech_from: int | None = None
        """Start of the open segment, on the call clock; None while no segment is open."""

    def add(self, position: int, pcm: Pcm) -> None:
        """Take audio in order: int16 `[n]`, its first sample at `position`."""
        if blocks := self._cutter.add(position, pcm):
            self._undecided += blocks
            self.due = from_rate(self._undecided[0].end, self._rate)

    def arrive(self, position: int, now: float) -> list[LineWarning]:
        """Audio up to `position`, on the call clock, has arrived at `now`.  Call it from `due_at` on."""
        warnings = self._monitor.arrive(self._number, position, now)
        is_right = self._monitor.arrives_right(self._number)
        self.due_at = now + (_RECHECK_SECONDS if is_right else _CHECK_SECONDS)
        return warnings

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

    @property
    def has_blocks(self) -> bool:
        """Whether blocks may have to be measured: see `measure_waiting`."""
        return self._monitor.waiting_blocks(self._number) > 0

    @property
    def is_behind(self) -> bool:
        """Whether several blocks wait, as if audio arrives faster than real time."""
        return self._monitor.waiting_blocks(self._number) > 1

    @property
    def query(self) -> WaitingBlock | None:
        """The next block to measure."""
        return self._monitor.query(self._number)

    def apply(self, block: Block) -> list[LineWarning]:
        """Take the measurements of `query`."""
        return self._monitor.apply(self._number, block)

    def segment(self, events: Sequence[SoundEvent], decided: int) -> None:
        """
        Take events of the segmenter, and release the blocks that it has decided about: see `has_blocks`.

        `decided`: position on the call clock up to which speech is known.
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
        if decided >= self.due:
            self._release(decided, closed)

    def _release(self, decided: int, closed: list[Span]) -> None:
        """Pass the blocks before `decided` to the monitor.  `closed`: the segments that have just closed."""
        undecided = self._undecided
        while undecided and from_rate(undecided[0].end, self._rate) <= decided:
            block = undecided.pop(0)
            last_tick = (block.end - 1) // self._tick * self._tick
            speaking = self._is_speech(from_rate(last_tick, self._rate), closed)
            self._monitor.offer(self._number, block, speaking=speaking)
        self.due = from_rate(undecided[0].end, self._rate) if undecided else _NEVER

    def _is_speech(self, at: int, closed: list[Span]) -> bool:
        """Return whether `at`, on the call clock, is in the open segment or in one of `closed`."""
        is_open = self._speech_from is not None and at >= self._speech_from
        return is_open or any(span.start <= at < span.end for span in closed)
