"""
All ears of the process, listened to together.

Silero judges many channels in one run for little more than one.  Frames of many calls arrive in one turn of
the event loop when it is busy, one by one when it is not: so whatever has arrived by the end of the turn is
heard together, and nobody waits for anybody.
"""

import asyncio
from collections.abc import Callable

from .channel_segmenter import ChannelSegmenter, SoundEvent, VadModel, run_vad

Deliver = Callable[[list[SoundEvent]], None]
"""Who wants to know what an ear has made out; called in the event loop, must not block."""


class VadBatcher:
    """Ears that have something new, until the end of this turn of the loop."""

    def __init__(self, silero: VadModel | None) -> None:
        self._silero = silero
        self._waiting: dict[ChannelSegmenter, Deliver] = {}

    def soon(self, segmenter: ChannelSegmenter, deliver: Deliver) -> None:
        """`ear` has heard something: say what, at the end of this turn."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._listen)
        self._waiting[segmenter] = deliver

    def forget(self, segmenter: ChannelSegmenter) -> None:
        """Nobody wants to know any more what `ear` has heard."""
        self._waiting.pop(segmenter, None)

    def now(self, segmenter: ChannelSegmenter, deliver: Deliver) -> None:
        """The same at once and to the last sample, because something else depends on it."""
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
            ):  # a flood: the rest of it in the next turn, so that the others get theirs
                self.soon(segmenter, waiting[segmenter])
