"""
Frames of a bridge as packets, and packets decoded in pieces of bounded work.

What a frame stands for is computed from the first bytes of its packets and bounded before anything is decoded:
2 bytes of Opus may stand for 120 ms.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from ..audio import Pcm
from .decoder import RATE, Codec, Decoder, check, opus_duration
from .ogg import MAGIC, Ogg, is_header

LONGEST_FRAME_SECONDS = 150
"""Most audio in one message: 1 MiB of mu-law at 8 kHz is 131 s."""

_PIECE = RATE
"""Most samples that one step decodes: a second."""

_MOST_PACKETS = 200
"""Most packets that one step decodes; each costs something however short it is."""

_G722_PACKET = RATE // 4
"""Bytes of G.722 that are decoded at a time: two samples in each, so half a second."""


class Frames:
    """
    One stream of G.722 or Opus; of Opus each frame is a packet, or all together are Ogg.

    `pieces` may be read in any thread, one step at a time.
    """

    def __init__(self, codec: Codec, channels: int = 1) -> None:
        """CodecMissingError, ValueError as `Decoder`; FFmpeg is loaded with the first frame."""
        check(codec, channels)
        self._codec = codec
        self._channels = channels
        self._decoder: Decoder | None = None
        self._ogg: Ogg | None = None
        self._begun = False
        self.heard = 0
        """Samples of each channel that were decoded so far, at 16 kHz."""

        self.pending = 0
        """Samples of each channel that are announced and not decoded yet."""

    def pieces(self, frame: bytes) -> Iterator[list[Pcm]]:
        """
        One array for each channel, at most a second long; the first step parts packets and gives nothing.

        ValueError for what is not this codec, and for a frame of more than `LONGEST_FRAME_SECONDS`.
        """
        packets = self._split(frame)
        self.pending = self._bounded(packets)
        try:
            yield []
            for group in self._groups(packets):
                piece = self._decode(group)
                self.pending = max(0, self.pending - sum(map(self._duration, group)))
                self.heard += len(piece[0])
                yield piece
        finally:
            self.pending = 0

    def _split(self, frame: bytes) -> list[bytes]:
        if self._codec is Codec.G722:
            return [frame[at : at + _G722_PACKET] for at in range(0, len(frame), _G722_PACKET)]
        if not self._begun and frame.startswith(MAGIC):
            self._ogg = Ogg()
        self._begun = True
        packets = [frame] if self._ogg is None else self._ogg.feed(frame)
        return [one for one in packets if one and not is_header(one)]

    def _bounded(self, packets: Sequence[bytes]) -> int:
        """Samples that the packets stand for."""
        announced = sum(map(self._duration, packets))
        if announced > LONGEST_FRAME_SECONDS * RATE:
            raise ValueError(
                f"one message of {announced // RATE} s of audio: send at most {LONGEST_FRAME_SECONDS} s"
            )
        return announced

    def _duration(self, packet: bytes) -> int:
        return duration(self._codec, packet)

    def _groups(self, packets: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """As many packets at a time as one step may decode."""
        first, length = 0, 0
        for number, packet in enumerate(packets):
            length += self._duration(packet)
            if length > _PIECE or number - first >= _MOST_PACKETS:
                yield packets[first:number]
                first, length = number, self._duration(packet)
        if packets[first:]:
            yield packets[first:]

    def _decode(self, packets: Sequence[bytes]) -> list[Pcm]:
        if self._decoder is None:
            self._decoder = Decoder(self._codec, self._channels)
        decoded = [self._decoder.decode(packet) for packet in packets]
        return [np.concatenate(pieces) for pieces in zip(*decoded, strict=True)]


def duration(codec: Codec, packet: bytes) -> int:
    """Samples at 16 kHz that a packet, which must not be empty, stands for."""
    return opus_duration(packet) if codec is Codec.OPUS else 2 * len(packet)
