"""
Processes the audio of the channels of the process together, in runs every 20 ms.

A channel only keeps a frame when it arrives.  A run over many channels costs little more than a run over one:
Silero takes all windows at once, and the samples of all channels are rows of one array.  What remains is Python
work per channel and run.  So a run leaves out the channels in which no decision can be due yet: their segmenters
say how many ticks they can wait (`ChannelSegmenter.patience`).  A frame that may end a segment does not wait for a
run.  The other channels of its call are processed with it, because the search for crosstalk compares their levels.
A run over many channels takes several turns of the event loop, so that new frames do not wait for its end.  So does
the measurement of line quality behind it.
"""

import asyncio
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

from protocol.events import LineWarning

from . import compiled
from .channel_line import LineCore, run_lines
from .channel_segmenter import ChannelSegmenter
from .dtmf import DtmfDetector, Key, detect
from .quality.measuring import Measured, measure_waiting
from .run_plan import RunPlan
from .sound_events import SoundEvent
from .vad_runner import VadModel, run_vad
from .voice_activity.silero import Silero

TICK_SECONDS = 0.02
"""Seconds between two runs, while audio of any channel waits."""

_MEASURE_AFTER = 5
"""
Runs for which a block may wait until line quality is measured, to be measured with those of other channels.

With more, the blocks that have come together block the event loop.
"""

_MEASURED_AT_ONCE = 12
"""Channels whose line quality is measured in one turn of the event loop: 12 blocks take 1.5 ms with numpy."""

_AT_ONCE = 16
"""Channels processed in one turn of the event loop, and the rest of a call: longer turns would delay new frames."""


class Batched(Protocol):
    """The interface of a channel to the batcher."""

    @property
    def segmenter(self) -> ChannelSegmenter:
        """The segmenter of the channel."""
        ...

    @property
    def is_urgent(self) -> bool:
        """Whether the waiting audio is long, or may end a segment."""
        ...

    @property
    def companions(self) -> Sequence["Batched"]:
        """The channels of the call that must be processed up to the same point when a segment ends."""
        ...

    @property
    def dtmf_detector(self) -> DtmfDetector:
        """The DTMF detector of the channel."""
        ...

    @property
    def quality(self) -> Measured:
        """The line quality of the channel."""
        ...

    def warn(self, warnings: Sequence[LineWarning]) -> None:
        """Take new warnings about line quality."""
        ...

    @property
    def line(self) -> LineCore | None:
        """The compiled line of the channel; None: call `catch_up`, and run its detectors."""
        ...

    def take_news(self, news: int) -> Sequence[SoundEvent]:
        """Take what a run of `line` has found.  Returns the events of the segmenter, for `notify`."""
        ...

    def catch_up(self) -> None:
        """Pass the waiting samples to the segmenter and to the DTMF detector."""
        ...

    def pressed(self, keys: Sequence[Key]) -> None:
        """Take digits that were detected."""
        ...

    def notify(self, events: Sequence[SoundEvent]) -> None:
        """Take the events of the segmenter, in order: `place`, measurement if it must be, and `tell`."""
        ...

    def place(self, events: Sequence[SoundEvent]) -> Sequence[SoundEvent]:
        """Take the events of the segmenter, in order.  Returns them as `tell` takes them."""
        ...

    def must_measure(self, events: Sequence[SoundEvent]) -> bool:
        """Return whether line quality must be measured between `place` and `tell`."""
        ...

    def tell(self, placed: Sequence[SoundEvent]) -> None:
        """Pass the events on.  Must not block."""
        ...


class VadBatcher:
    """Collects the channels with new audio, each until the run in which it is due."""

    def __init__(self, silero: VadModel | None, plan: RunPlan | None = None) -> None:
        """`plan`: when channels are processed; None: as it fits the audio path in use."""
        self._silero = silero
        self._network = silero.compiled if isinstance(silero, Silero) else None
        self._runs_lines = silero is None or self._network is not None
        self._waiting: dict[Batched, int] = {}
        """The number of the run that processes each channel with new audio."""

        self._unmeasured: dict[Batched, None] = {}
        """Channels with blocks whose line quality is not measured yet."""

        self._measure_at = 0
        """The number of the run that measures them."""

        self._plan = plan or RunPlan(spreads=self._runs_lines and compiled.step() is not None)
        self._run_at: asyncio.TimerHandle | None = None
        self._next_piece: asyncio.Handle | None = None

    def soon(self, channel: Batched) -> None:
        """Process the new audio of `channel` within its patience, or in this iteration if it is urgent."""
        if channel not in self._waiting:
            self._waiting[channel] = self._plan.choose(channel.segmenter.patience)
            self._schedule()
        if channel.is_urgent:
            self._hurry(channel)

    def measure_soon(self, channel: Batched) -> None:
        """Measure the line quality of `channel` together with others."""
        if not self._unmeasured:
            self._measure_at = self._plan.run + _MEASURE_AFTER
        self._unmeasured[channel] = None

    def measure(self, channels: Sequence[Batched]) -> None:
        """Measure the line quality of `channels` now."""
        for channel in channels:
            self._unmeasured.pop(channel, None)
        found = measure_waiting([channel.quality for channel in channels])
        for channel, warnings in zip(channels, found, strict=True):
            channel.warn(warnings)

    def forget(self, channel: Batched) -> None:
        """Cancel the processing of `channel`."""
        self._waiting.pop(channel, None)

    def now(self, channel: Batched) -> None:
        """Process all audio of `channel` at once, because the next event depends on it."""
        self._waiting.pop(channel, None)
        channel.catch_up()
        _find_digits([channel])
        channel.notify(run_vad([channel.segmenter], self._silero)[0])
        while channel.segmenter.query:
            channel.notify(run_vad([channel.segmenter], self._silero)[0])

    def _schedule(self) -> None:
        if self._run_at is None and (self._waiting or self._unmeasured):
            self._run_at = asyncio.get_running_loop().call_later(TICK_SECONDS, self._run)

    def _hurry(self, channel: Batched) -> None:
        self._waiting[channel] = self._plan.run
        self._go_on()

    def _run(self) -> None:
        self._plan.advance()
        self._run_at = None
        self._go_on()
        self._schedule()

    def _go_on(self) -> None:
        if self._next_piece is None:
            self._next_piece = asyncio.get_running_loop().call_soon(self._do_piece)

    def _do_piece(self) -> None:
        """
        Process some of the channels that are due; if none is, measure the line quality of some.

        Both if channels have been due for so long that blocks would pile up.
        """
        self._next_piece = None
        channels, are_all = self._due()
        if channels:
            self._process(channels)
        if (
            self._unmeasured
            and self._plan.run >= self._measure_at + bool(channels) * _MEASURE_AFTER
        ):
            self.measure(list(islice(self._unmeasured, _MEASURED_AT_ONCE)))
        if not are_all or (self._unmeasured and self._plan.run >= self._measure_at):
            self._go_on()

    def _process(self, channels: Sequence[Batched]) -> None:
        lines, pure = list[tuple[Batched, LineCore]](), list[Batched]()
        for channel in channels:
            del self._waiting[channel]
            if self._runs_lines and (line := channel.line) is not None:
                lines.append((channel, line))
            else:
                pure.append(channel)
        if lines:
            self._process_lines(lines)
        if pure:
            self._process_pure(pure)

    def _process_lines(self, channels: Sequence[tuple[Batched, LineCore]]) -> None:
        """Process channels in the compiled step; those without news take no time here."""
        now = asyncio.get_running_loop().time()
        places = run_lines([line for _, line in channels], self._network, now)
        found = [channels[place] for place in places]
        self._notify([(channel, channel.take_news(line.news)) for channel, line in found])

    def _process_pure(self, channels: Sequence[Batched]) -> None:
        for channel in channels:
            channel.catch_up()
        _find_digits([one for one in channels if one.dtmf_detector.is_due])
        events = run_vad([channel.segmenter for channel in channels], self._silero)
        self._notify(list(zip(channels, events, strict=True)))

    def _notify(self, found: Sequence[tuple[Batched, Sequence[SoundEvent]]]) -> None:
        placed = [(channel, channel.place(events)) for channel, events in found]
        if urgent := [channel for channel, events in placed if channel.must_measure(events)]:
            self.measure(urgent)
        for channel, events in placed:
            channel.tell(events)
            if channel.segmenter.query:  # much audio: the rest follows after other channels
                self._hurry(channel)

    def _due(self) -> tuple[list[Batched], bool]:
        """
        Return channels that are due, each with those that wait in its call if a segment may end.

        At most `_AT_ONCE`, and the rest of a call; the flag tells whether they are all.
        """
        runs, waiting = self._plan.run, self._waiting
        due: dict[Batched, None] = {}
        for channel, at in waiting.items():
            if at > runs or channel in due:
                continue
            if len(due) >= _AT_ONCE:
                return list(due), False
            due[channel] = None
            if channel.segmenter.has_speech:
                due |= {other: None for other in channel.companions if other in waiting}
        return list(due), True


def _find_digits(channels: Sequence[Batched]) -> None:
    for channel, keys in zip(
        channels, detect([one.dtmf_detector for one in channels]), strict=True
    ):
        if keys:
            channel.pressed(keys)
