"""
Processes the audio of all channels of the process together, once per tick of 20 ms.

A channel only keeps a frame when it arrives.  A run over many channels costs little more than a run over one:
Silero takes all windows at once, and the samples of all channels are rows of one array.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from protocol.clock import CALL_RATE

from .channel_segmenter import ChannelSegmenter
from .dtmf import DtmfDetector, Key, detect
from .sound_events import SoundEvent
from .vad_runner import VadModel, run_vad

TICK_SECONDS = 0.02
"""Seconds from the first frame that waits to the run that processes it."""

BACKLOG = CALL_RATE // 5
"""Waiting samples of one channel, on the call clock, that are processed at the end of the loop's iteration."""


_DTMF_EVERY = 5
"""Ticks between two searches for digits: all channels together, every 100 ms."""


class Batched(Protocol):
    """The interface of a channel to the batcher."""

    @property
    def segmenter(self) -> ChannelSegmenter:
        """The segmenter of the channel."""
        ...

    @property
    def waiting(self) -> int:
        """Samples that have arrived in order and are not in the segmenter yet, on the call clock."""
        ...

    @property
    def dtmf_detector(self) -> DtmfDetector:
        """The DTMF detector of the channel."""
        ...

    def catch_up(self) -> None:
        """Pass the waiting samples to the segmenter and to the DTMF detector."""
        ...

    def pressed(self, keys: Sequence[Key]) -> None:
        """Take digits that were detected."""
        ...

    def notify(self, events: Sequence[SoundEvent]) -> None:
        """Take the events of the segmenter, in order.  Must not block."""
        ...


class VadBatcher:
    """Collects the channels with new audio until the next tick."""

    def __init__(self, silero: VadModel | None) -> None:
        self._silero = silero
        self._waiting: dict[Batched, None] = {}
        self._run_at: asyncio.TimerHandle | asyncio.Handle | None = None
        self._is_hurried = False
        self._runs = 0

    def soon(self, channel: Batched) -> None:
        """Process the new audio of `channel` at the next tick, or at once if much of it waits."""
        self._waiting[channel] = None
        if self._run_at is None:
            self._run_at = asyncio.get_running_loop().call_later(TICK_SECONDS, self._run)
        if channel.waiting > BACKLOG:
            self._hurry()

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

    def _hurry(self) -> None:
        if not self._is_hurried:
            if self._run_at is not None:
                self._run_at.cancel()
            self._is_hurried = True
            self._run_at = asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        channels, self._waiting = list(self._waiting), {}
        self._run_at, self._is_hurried = None, False
        for channel in channels:
            channel.catch_up()
        self._runs += 1
        is_due = self._runs % _DTMF_EVERY == 0
        _find_digits([one for one in channels if is_due or one.dtmf_detector.is_full])
        segmenters = [channel.segmenter for channel in channels]
        for channel, events in zip(channels, run_vad(segmenters, self._silero), strict=True):
            channel.notify(events)
            if channel.segmenter.query:  # much audio: the rest follows after other channels
                self._waiting[channel] = None
                self._hurry()


def _find_digits(channels: Sequence[Batched]) -> None:
    for channel, keys in zip(
        channels, detect([one.dtmf_detector for one in channels]), strict=True
    ):
        if keys:
            channel.pressed(keys)
