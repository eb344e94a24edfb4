"""
Monitors the audio quality of a call and returns warnings.  Pure.

It has every block of the first ten seconds measured, when a wrong configuration shows, then one block in eight;
while audio seems misread, every block again.  `measuring.py` measures the blocks of all channels together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from protocol.audio import Pcm
from protocol.clock import CALL_RATE, from_rate
from protocol.events import Fault, LineWarning, Span

from .arrival_rate import ArrivalRate
from .block import Block
from .block_cutter import BlockCutter, CutBlock
from .block_stats import BLOCK, SILENT_DBFS, measure
from .fault_detector import FaultDetector
from .measuring import WaitingBlock
from .remedies import ADVICE, CERTAIN, ENCODINGS, UNITS

_FIRST = 10 * CALL_RATE
"""Up to this position every block is measured."""

_ONE_IN = 8

_GONE = 10 * CALL_RATE
"""A fault ends when it has not been seen for this time."""

_SURE = 3 * CALL_RATE
"""Audio is trusted again after this time without a sign of misread audio."""

_ALONE = 9
"""Loud blocks of one channel after which digital silence on another is a fault."""

_ALIKE = 0.98
_ALIKE_BLOCKS = 4
"""Consecutive blocks that must be equal on two channels."""

_MOST_LOSSES = 256
"""Latest gaps that are remembered."""

_LOSS_WINDOW = 3 * CALL_RATE
_LOSSES = 3
_LOST = 0.05
"""Number of gaps, and lost share of the window, from which packet loss is reported."""

_SHARED_BLOCKS = 4
"""Blocks kept for comparison with other channels, whose audio may arrive later."""


@dataclass(slots=True)
class _Line:
    """One channel: its audio that is not measured, and the detectors."""

    cutter: BlockCutter
    watch: FaultDetector = field(default_factory=FaultDetector)
    pace: ArrivalRate = field(default_factory=ArrivalRate)
    waiting: list[WaitingBlock] = field(default_factory=list)
    """Blocks that may have to be measured: whether they must is known when those before them are."""

    end: int = 0
    """Position after the latest block, on the call clock."""

    measured: int = 0
    """Position after the latest block that was measured."""

    speaks_from: int | None = None
    """Position up to which the channel had `_ALONE` loud blocks; None if it had fewer."""

    kept: list[tuple[int, Pcm]] = field(default_factory=list)
    alike: dict[int, int] = field(default_factory=dict)
    losses: list[Span] = field(default_factory=list)
    arriving: float = 1.0
    """Latest steady speed of arrival, relative to real time."""

    misrated: bool = False
    """Whether arrival speed and spectrum both showed a wrong declared rate; reset when the speed is right."""

    level: float | None = None
    """Level of the loudest tick of the block that was measured last, in dBFS; None before the first block."""

    loudest: float = SILENT_DBFS
    """Level of the loudest tick so far, in dBFS."""

    active: dict[Fault, int] = field(default_factory=dict)
    """Where each fault was last seen, on the call clock."""


class QualityMonitor:
    """
    Monitors all channels of a call.

    Its methods return new warnings.  Memory per channel is bounded: one block, four for comparison, and numbers.
    """

    def __init__(self, channels: int, rate: int = CALL_RATE) -> None:
        """`channels`: their number; `rate`: sample rate of the bridge, in Hz."""
        self._rate = rate
        self.block = rate // 16 * 4  # 250 ms, a multiple of four samples
        """Samples of a block, at the bridge's rate."""

        self._lines = [_Line(BlockCutter(self.block)) for _ in range(channels)]

    def recall(self, warnings: Iterable[LineWarning], begin: Sequence[int]) -> None:
        """
        Note warnings of another gateway, so that a fault that continues is not reported again at once.

        `begin`: where each channel continues, on the call clock.  Earlier misread audio does not count as misread
        now.
        """
        for one in warnings:
            self._lines[one.channel].active[one.fault] = max(one.at, begin[one.channel] - _SURE - 1)

    def feed(self, channel: int, position: int, pcm: Pcm, *, speaking: bool) -> list[LineWarning]:
        """
        Take audio of one channel in order, and measure it: int16 `[n]` at the bridge's rate; `position` too.

        `speaking`: whether it contains speech.
        """
        warnings: list[LineWarning] = []
        for block in self.cutter(channel).add(position, pcm):
            self.offer(channel, block, speaking=speaking)
            while query := self.query(channel):
                warnings += self.apply(channel, measure(query.start, query.pcm, query.rate))
        return warnings

    def cutter(self, channel: int) -> BlockCutter:
        """Return the object that cuts the blocks of `channel`, for `offer`."""
        return self._lines[channel].cutter

    def offer(self, channel: int, block: CutBlock, *, speaking: bool) -> None:
        """Take the next block of a channel, for `query`; `speaking`: whether it contains speech."""
        line, at = self._lines[channel], from_rate(block.start, self._rate)
        line.end = from_rate(block.end, self._rate)
        if line.waiting or self._is_due(line, at):
            line.waiting.append(WaitingBlock(at, block.pcm, self._rate, speaking))

    def waiting_blocks(self, channel: int) -> int:
        """Return the number of blocks of `channel` that may have to be measured."""
        return len(self._lines[channel].waiting)

    def query(self, channel: int) -> WaitingBlock | None:
        """Return the next block of `channel` that must be measured; None if there is none."""
        line = self._lines[channel]
        while line.waiting and not self._is_due(line, line.waiting[0].start):
            del line.waiting[0]
        return line.waiting[0] if line.waiting else None

    def apply(self, channel: int, block: Block) -> list[LineWarning]:
        """Take the measurements of the block of `query`."""
        return self._poll(channel, self._lines[channel].waiting.pop(0), block)

    def lose(self, channel: int, span: Span) -> list[LineWarning]:
        """Take a gap, on the call clock."""
        losses = self._lines[channel].losses
        losses.append(span)
        recent = (at for at, one in enumerate(losses) if one.end >= span.end - _LOSS_WINDOW)
        del losses[: max(next(recent, 0), len(losses) - _MOST_LOSSES)]
        lost = sum(one.end - one.start for one in losses) / _LOSS_WINDOW
        if len(losses) < _LOSSES or lost < _LOST:
            return []
        return self._note(channel, Fault.PACKET_LOSS, 100 * min(1.0, lost), span.end)

    def arrive(self, channel: int, position: int, now: float) -> list[LineWarning]:
        """Take that audio up to `position`, on the call clock, has arrived at `now`, in seconds of any clock."""
        line = self._lines[channel]
        line.arriving = line.pace.arrive(position, now) or line.arriving
        line.misrated = line.misrated and line.arriving != 1.0
        return self._check_rate(channel, position)

    def arrives_right(self, channel: int) -> bool:
        """Return whether the speed of arrival of `channel` was right from its first ten seconds on."""
        line = self._lines[channel]
        return line.end >= _FIRST and line.arriving == 1.0 and line.pace.is_right

    def _check_rate(self, channel: int, at: int) -> list[LineWarning]:
        """
        Report a wrong rate only if arrival speed and spectrum agree.

        Speed alone proves nothing, because files arrive at any speed; nor does the spectrum, because lines filter.
        """
        line = self._lines[channel]
        if line.arriving == 1.0 or line.watch.is_doubtful:
            return []
        line.misrated = line.misrated or line.watch.sounds_as_if_at(line.arriving)
        if not line.misrated:
            return []
        return self._note(channel, Fault.WRONG_RATE, line.arriving, at)

    @property
    def held_samples(self) -> int:
        """Number of samples in memory, at the bridge's rate."""
        return sum(
            line.cutter.held_samples
            + sum(len(one.pcm) for one in line.waiting)
            + sum(len(pcm) for _, pcm in line.kept)
            for line in self._lines
        )

    def levels(self, channel: int) -> tuple[float, float] | None:
        """Return the loudest tick of the last measured block, and of all, in dBFS; None before the first."""
        line = self._lines[channel]
        return None if line.level is None else (line.level, line.loudest)

    def misread(self, channel: int) -> Fault | None:
        """Return the fault because of which the channel's current audio is misread; None if it is not."""
        line = self._lines[channel]
        if line.misrated:
            return Fault.WRONG_RATE
        recent = (one for one in CERTAIN if line.end - line.active.get(one, -_GONE) <= _SURE)
        return next(recent, None)

    def _is_due(self, line: _Line, at: int) -> bool:
        doubtful = (
            line.watch.is_doubtful
            or line.arriving != 1.0
            or any(fault in line.active for fault in CERTAIN)
        )
        return at < _FIRST or doubtful or (at // BLOCK) % _ONE_IN == 0

    def _poll(self, channel: int, taken: WaitingBlock, block: Block) -> list[LineWarning]:
        line, at = self._lines[channel], taken.start
        end = at + BLOCK
        line.watch.see(block, speaking=taken.speaking)
        line.measured = end
        if line.speaks_from is None and line.watch.loud >= _ALONE:
            line.speaks_from = end
        line.level, line.loudest = block.loudest, max(line.loudest, block.loudest)
        line.active = {one: seen for one, seen in line.active.items() if end - seen <= _GONE}
        warnings: list[LineWarning] = []
        for fault, measured in line.watch.faults():
            warnings += self._note(channel, fault, measured, end)
        warnings += self._check_rate(channel, end)
        if len(self._lines) > 1:
            warnings += self._compare(channel, at, taken.pcm, loud=block.is_audible)
            warnings += self._one_way(end)
        return warnings

    def _compare(self, channel: int, at: int, pcm: Pcm, *, loud: bool) -> list[LineWarning]:
        """Report if this block is equal to the same block of another channel."""
        warnings: list[LineWarning] = []
        if loud:
            kept = self._lines[channel].kept
            kept.append((at, pcm))
            del kept[:-_SHARED_BLOCKS]
        for other, line in enumerate(self._lines):
            same = next((kept for start, kept in line.kept if start == at), None)
            if other == channel or same is None or not loud:
                continue
            copy, original = max(channel, other), min(channel, other)
            alike = _likeness(pcm, same)
            counts = self._lines[copy].alike
            counts[original] = counts.get(original, 0) + 1 if alike > _ALIKE else 0
            if counts[original] >= _ALIKE_BLOCKS:
                warnings += self._note(copy, Fault.DUAL_MONO, 100 * alike, at + BLOCK)
        self._forget_compared()
        return warnings

    def _forget_compared(self) -> None:
        """Drop the blocks up to which every channel is measured: no other block will be compared with them."""
        measured = min(line.measured for line in self._lines)
        for line in self._lines:
            if line.kept:
                line.kept = [one for one in line.kept if one[0] + BLOCK > measured]

    def _one_way(self, at: int) -> list[LineWarning]:
        """
        Report channels that had only digital silence up to where another one had speech.

        Channels are measured one after the other: one that is behind may have had speech as well.
        """
        spoken = [line.speaks_from for line in self._lines if line.speaks_from is not None]
        if not spoken:
            return []
        return [
            warning
            for channel, line in enumerate(self._lines)
            if not line.watch.ever and (line.measured >= min(spoken) or self._is_absent(line, at))
            for warning in self._note(channel, Fault.ONE_WAY, at / CALL_RATE, at)
        ]

    def _is_absent(self, line: _Line, at: int) -> bool:
        """Return whether nothing of a channel has arrived though others are past the first seconds."""
        return line.cutter.is_empty and at >= _FIRST

    def _note(self, channel: int, fault: Fault, measured: float, at: int) -> list[LineWarning]:
        """Return a warning, unless this fault is reported already."""
        active = self._lines[channel].active
        known = fault in active and at - active[fault] <= _GONE
        active[fault] = at
        if known:
            return []
        disguise = self._lines[channel].watch.disguise
        check = ENCODINGS[disguise] if fault is Fault.WRONG_ENCODING else ADVICE[fault]
        return [LineWarning(channel, fault, check, round(measured, 2), UNITS[fault], at)]


def _likeness(one: Pcm, other: Pcm) -> float:
    """Return the correlation of two pieces of the same length, without delay: -1 to 1."""
    a, b = one.astype(np.float32), other.astype(np.float32)
    a -= a.mean()
    b -= b.mean()
    power = float(np.sqrt(float(a @ a) * float(b @ b)))
    return float(a @ b) / power if power else 0.0


def reason(fault: Fault) -> str:
    """Return the text that explains why a segment of misread audio is dropped."""
    return f"{fault.value.replace('_', ' ')}: the audio does not match what was spoken"
