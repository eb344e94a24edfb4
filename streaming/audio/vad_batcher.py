"""
Runs voice activity detection for all channels of the process in batches.

For Silero, a run with many channels costs little more than a run with one.  All audio that arrives in one iteration
of the event loop is processed together: many frames when the gateway is busy, single frames when it is not.  So no
channel waits for another.
"""

import asyncio
from collections.abc import Callable

from .channel_segmenter import ChannelSegmenter, SoundEvent, VadModel, run_vad

Deliver = Callable[[list[SoundEvent]], None]
"""Called with the events of a segmenter, in the event loop; must not block."""


class VadBatcher:
    """Collects the segmenters with new audio until the end of this iteration of the event loop."""

    def __init__(self, silero: VadModel | None) -> None:
        self._silero = silero
        self._waiting: dict[ChannelSegmenter, Deliver] = {}

    def soon(self, segmenter: ChannelSegmenter, deliver: Deliver) -> None:
        """Process the new audio of `segmenter` at the end of this iteration; pass its events to `deliver`."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._listen)
        self._waiting[segmenter] = deliver

    def forget(self, segmenter: ChannelSegmenter) -> None:
        """Cancel the processing of `segmenter`."""
        self._waiting.pop(segmenter, None)

    def now(self, segmenter: ChannelSegmenter, deliver: Deliver) -> None:
        """Process all audio of `segmenter` at once, because the next event depends on it."""
        self._waiting.pop(segmenter, None)
        deliver(run_vad([segmenter], self._silero)[0])
        while segmenter.query:
            deliver(run_vad([segmenter], self._silero)[0])

    def _listen(self) -> None:
        waiting, self._waiting = self._waiting, {}
        segmenters = list(waiting)
        for segmenter, events in zip(segmenters, run_vad(segmenters, self._silero), strict=True):
            waiting[segmenter](events)
            if (
                segmenter.query
            ):  # much audio: the rest follows in the next iteration, after other channels
                self.soon(segmenter, waiting[segmenter])
