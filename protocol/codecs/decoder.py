"""
Decodes G.722 and Opus to 16-bit PCM at 16 kHz, with PyAV (the decoders of FFmpeg).

G.722: ITU-T G.722, 64 kbit/s, two samples per byte. Opus: RFC 6716.
"""

from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from ..audio import Pcm

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext

RATE = 16_000
"""Sample rate of decoded audio, in Hz."""

_BAD_PACKETS = 50
"""This many damaged packets in a row (about 1 s) mean another codec, not damage."""


class Codec(StrEnum):
    """Codec of the packets."""

    G722 = "g722"
    OPUS = "opus"


class CodecMissingError(ValueError):
    """The decoder library is not installed on this server. The bridge is not at fault."""


class Decoder:
    """Decodes the packets of one stream, in order. Buffers a few milliseconds."""

    def __init__(self, codec: Codec, channels: int = 1) -> None:
        """Raises CodecMissingError without PyAV, ValueError for an unsupported number of channels."""
        check(codec, channels)
        self._av: Any = import_module("av")  # the first import takes 0.1 s: not on the event loop
        self._codec = codec
        self._channels = channels
        self._bad = 0
        layout = "mono" if channels == 1 else "stereo"
        self._context = self._open(layout)
        self._resampler = self._av.AudioResampler(format="s16p", layout=layout, rate=RATE)

    def decode(self, packet: bytes) -> list[Pcm]:
        """
        Decode a packet to one array for each channel: int16, `[n]`, at 16 kHz.

        A damaged packet becomes silence of its length. Raises ValueError after 50 damaged packets in a row.
        """
        if not packet:  # FFmpeg takes an empty packet as the end of the stream
            return self._silence(0)
        try:
            frames = self._context.decode(self._av.Packet(packet))
        except self._av.error.FFmpegError:
            return self._damaged(packet)
        self._bad = 0
        pieces = [one for frame in frames for one in self._resampler.resample(frame)]
        if not pieces:
            return self._silence(0)
        samples = np.concatenate([piece.to_ndarray() for piece in pieces], axis=1)
        return [np.ascontiguousarray(channel) for channel in samples]

    def _open(self, layout: str) -> "AudioCodecContext":
        name = "libopus" if self._codec is Codec.OPUS else "g722"
        context: AudioCodecContext = self._av.CodecContext.create(name, "r")
        context.layout = layout
        context.sample_rate = 48_000 if self._codec is Codec.OPUS else RATE
        return context

    def _damaged(self, packet: bytes) -> list[Pcm]:
        self._bad += 1
        if self._bad >= _BAD_PACKETS:
            raise ValueError(
                f"this is not {self._codec}: none of {self._bad} packets could be decoded"
            )
        return self._silence(
            opus_duration(packet) if self._codec is Codec.OPUS else 2 * len(packet)
        )

    def _silence(self, samples: int) -> list[Pcm]:
        return [np.zeros(samples, dtype=np.int16) for _ in range(self._channels)]


def opus_duration(packet: bytes) -> int:
    """Length of an Opus packet in samples at 16 kHz, from its first bytes (RFC 6716, 3.1); at most 120 ms."""
    kind = packet[0] >> 3
    if kind < 12:
        quarters = (40, 80, 160, 240)[kind % 4]
    elif kind < 16:
        quarters = (40, 80)[kind % 2]
    else:
        quarters = (10, 20, 40, 80)[kind % 4]
    match packet[0] & 3:
        case 0:
            frames = 1
        case 3:
            frames = packet[1] & 0x3F if len(packet) > 1 else 1
        case _:
            frames = 2
    return min(120 * 4, quarters * frames) * RATE // 4_000


def check(codec: Codec, channels: int) -> None:
    """Raise the errors of `Decoder(codec, channels)`, without loading FFmpeg."""
    if not 1 <= channels <= (1 if codec is Codec.G722 else 2):
        raise ValueError(f"{codec} with {channels} channels is not supported: send one")
    if find_spec("av") is None:
        raise CodecMissingError(
            f"{codec} cannot be decoded here: the operator must run pip install 'trunkline[codecs]' on the server"
        )
