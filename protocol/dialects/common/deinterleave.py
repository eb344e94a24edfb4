"""Binary frames that carry the samples of all channels in turn."""

import numpy as np

from ...audio import AudioFormat, Encoding, Pcm
from ...bridge_events import AudioReceived

_CLEARLY = 2.0
"""How much smaller the steps between samples must be before a piece of a sample is dropped."""

_ENOUGH = 64
"""Samples that show which reading is right; behind shorter frames the stream goes on."""


class Interleaved:
    """
    Part frames into channels.

    A frame may end inside a sample.  A client that cuts a stream of bytes anywhere goes on with the rest of the
    sample; one that has sent a byte too much or too few begins the next frame with a whole sample.  Of linear
    audio the reading with the smaller steps between samples is the right one; otherwise the stream goes on.
    """

    def __init__(self, audio: AudioFormat) -> None:
        self.format = audio
        self.heard = 0
        """Samples of each channel so far."""

        self._rest = b""

    def receive(self, frame: bytes) -> list[AudioReceived]:
        """What is whole by now: one event for each channel, or none."""
        audio = frame if self._begins_anew(frame) else self._rest + frame
        whole = len(audio) - len(audio) % self.format.frame_width
        self._rest = audio[whole:]
        if not whole:
            return []
        self.heard += whole // self.format.frame_width
        return [
            AudioReceived(channel, pcm)
            for channel, pcm in enumerate(self.format.decode(audio[:whole]))
        ]

    def _begins_anew(self, frame: bytes) -> bool:
        """Whether the rest of the last frame belongs to no sample."""
        is_linear = self.format.encoding is Encoding.L16
        if not (self._rest and is_linear and len(frame) >= _ENOUGH * self.format.frame_width):
            return False
        going_on, anew = self._roughness(self._rest + frame), self._roughness(frame)
        return anew * _CLEARLY < going_on

    def _roughness(self, audio: bytes) -> float:
        """Mean step from one sample to the next, over all channels."""
        whole = len(audio) - len(audio) % self.format.frame_width
        channels = self.format.decode(audio[:whole])
        return max(map(_step, channels), default=0.0)


def _step(pcm: Pcm) -> float:
    return float(np.abs(np.diff(pcm.astype(np.float32))).mean()) if len(pcm) > 1 else 0.0
