"""
Splits the frames of a bridge into packets, and decodes them in steps of bounded work.

The length of a frame is computed from the first bytes of its packets and checked before decoding: 2 bytes of Opus
can be 120 ms of audio.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from ..audio import Pcm
from .decoder import RATE, Codec, Decoder, check, opus_duration
from .ogg import MAGIC, Ogg, is_header

LONGEST_FRAME_SECONDS = 150
"""Most audio in one message. For comparison: 1 MiB of mu-law at 8 kHz is 131 s."""

_PIECE = RATE
"""Most samples that one step decodes: 1 s."""

_MOST_PACKETS = 200
"""Most packets that one step decodes, because short packets have a cost too."""

_G722_PACKET = RATE // 4
"""Bytes of G.722 that are decoded at a time: 0.5 s, with two samples per byte."""


class Frames:
    """
    One stream of G.722 or Opus. With Opus, each frame is a packet, or the frames form an Ogg stream.

    Any thread may read `pieces`, one step at a time.
    """

    def __init__(self, codec: Codec, channels: int = 1) -> None:
        """Raises the errors of `Decoder`. FFmpeg is loaded with the first frame."""
        check(codec, channels)
        self._codec = codec
        self._channels = channels
        self._decoder: Decoder | None = None
        self._ogg: Ogg | None = None
        self._begun = False
        self.heard = 0
        """Decoded samples of each channel so far, at 16 kHz."""

        self.pending = 0
        """Samples of each channel that were received and are not decoded yet, at 16 kHz."""

    def pieces(self, frame: bytes) -> Iterator[list[Pcm]]:
        """
        Decode a frame step by step: an array for each channel (int16, at 16 kHz, at most 1 s).

        The first step splits the frame into packets and returns an empty list. Raises ValueError for another codec
        and for a frame of more than `LONGEST_FRAME_SECONDS`.
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
        """Length of the packets in samples. Raises ValueError if it is too long for one message."""
        announced = sum(map(self._duration, packets))
        if announced > LONGEST_FRAME_SECONDS * RATE:
            raise ValueError(
                f"one message of {announced // RATE} s of audio: send at most {LONGEST_FRAME_SECONDS} s"
            )
        return announced

    def _duration(self, packet: bytes) -> int:
        return duration(self._codec, packet)

    def _groups(self, packets: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """Groups of packets that one step may decode."""
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
    """Length of a packet in samples at 16 kHz. The packet must not be empty."""
    return opus_duration(packet) if codec is Codec.OPUS else 2 * len(packet)
