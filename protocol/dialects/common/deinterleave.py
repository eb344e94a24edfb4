"""Splits binary frames with interleaved samples into channels."""

import numpy as np

from ...audio import AudioFormat, Encoding, Pcm
from ...bridge_events import AudioReceived, CodedAudio
from . import json_fields

_CLEARLY = 2.0
"""Factor by which the steps between samples must be smaller before a partial sample is dropped."""

_ENOUGH = 64
"""Least frame length, in samples, for that decision; shorter frames continue the stream."""


class Interleaved:
    """
    Split frames with interleaved samples into channels.

    A frame may end inside a sample.  If the client cuts a byte stream at any place, the next frame continues the
    sample; if it sent a byte too many or too few, the next frame begins with a whole sample.  For linear audio the
    alternative with smaller steps between samples is used; for other encodings the stream continues.
    """

    def __init__(self, audio: AudioFormat) -> None:
        self.format = audio
        self._width = audio.frame_width
        self.heard = 0
        """Samples of each channel received so far, at the format's rate."""

        self._rest = b""

    @property
    def encoding(self) -> str:
        """Name of the encoding."""
        return self.format.encoding.value

    def receive(self, frame: bytes) -> list[AudioReceived]:
        """Add a frame.  Returns the complete samples: one event for each channel, or none."""
        audio = self._rest + frame if self._rest and not self._begins_anew(frame) else frame
        if rest := len(audio) % self._width:
            audio, self._rest = audio[:-rest], audio[-rest:]
        else:
            self._rest = b""
        if not audio:
            return []
        self.heard += len(audio) // self._width
        return [
            AudioReceived(channel, pcm) for channel, pcm in enumerate(self.format.decode(audio))
        ]

    def plain(self, message: str | bytes) -> list[CodedAudio] | None:
        """As `coded`, for a message of a bridge; None also for text, and for what may be a control message."""
        if isinstance(message, str) or not json_fields.is_audio(message):
            return None
        return self.coded(message)

    def coded(self, frame: bytes) -> list[CodedAudio] | None:
        """
        Return the same as `receive`, not decoded, for a frame of whole samples after whole samples.

        None, and nothing has changed, for any other frame.
        """
        samples, rest = divmod(len(frame), self._width)
        if rest or self._rest or not samples:
            return None
        self.heard += samples
        encoding, channels = self.format.encoding, self.format.channels
        if channels == 1:
            return [CodedAudio(0, frame, encoding, samples)]
        return [
            CodedAudio(channel, payload, encoding, samples)
            for channel, payload in enumerate(_apart(frame, encoding.width, channels))
        ]

    def _begins_anew(self, frame: bytes) -> bool:
        """Whether `frame` begins with a whole sample, so that the rest of the last frame is dropped."""
        is_linear = self.format.encoding is Encoding.L16
        if not (self._rest and is_linear and len(frame) >= _ENOUGH * self.format.frame_width):
            return False
        going_on, anew = self._roughness(self._rest + frame), self._roughness(frame)
        return anew * _CLEARLY < going_on

    def _roughness(self, audio: bytes) -> float:
        """Mean step from one sample to the next, of the channel where it is largest."""
        whole = len(audio) - len(audio) % self.format.frame_width
        channels = self.format.decode(audio[:whole])
        return max(map(_step, channels), default=0.0)


def _apart(frame: bytes, width: int, channels: int) -> list[bytes]:
    """Split interleaved samples of `width` bytes into the samples of each channel."""
    if width == 1:
        return [frame[channel::channels] for channel in range(channels)]
    samples = np.frombuffer(frame, dtype=np.int16)
    return [samples[channel::channels].tobytes() for channel in range(channels)]


def _step(pcm: Pcm) -> float:
    return float(np.abs(np.diff(pcm.astype(np.float32))).mean()) if len(pcm) > 1 else 0.0
