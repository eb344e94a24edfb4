"""
Opus packets out of an Ogg stream (RFC 3533, RFC 7845), cut anywhere.  Pure.

One logical stream, as every live client sends it; check sums are not verified, for TCP has done so.
"""

from ..audio import Pcm
from .decoder import Codec, Decoder

MAGIC = b"OggS"

_HEAD = 27
"""Bytes of a page before its table of lengths."""

_LONGEST_PACKET = 61_440
"""RFC 7845, 6: more than any Opus packet."""


class Ogg:
    """Pages in pieces in, packets out.  Holds a page and a packet at most: 125 KB."""

    def __init__(self) -> None:
        self._waiting = b""
        self._packet = b""

    @property
    def held_bytes(self) -> int:
        """What waits for its end."""
        return len(self._waiting) + len(self._packet)

    def feed(self, piece: bytes) -> list[bytes]:
        """The packets that are whole by now; ValueError where no page begins that should."""
        self._waiting += piece
        packets: list[bytes] = []
        while (size := self._page_size()) is not None and len(self._waiting) >= size:
            page, self._waiting = self._waiting[:size], self._waiting[size:]
            packets += self._packets(page)
        return packets

    def _page_size(self) -> int | None:
        """Bytes of the page in front; None while that cannot be known."""
        start = self._waiting[: len(MAGIC)]
        if start != MAGIC[: len(start)]:
            raise ValueError("not an Ogg stream: a page begins with OggS")
        if len(self._waiting) < _HEAD or len(self._waiting) < _HEAD + self._waiting[26]:
            return None
        count = self._waiting[26]
        return _HEAD + count + sum(self._waiting[_HEAD : _HEAD + count])

    def _packets(self, page: bytes) -> list[bytes]:
        """A length below 255 ends a packet; one that has not ended goes on in the next page."""
        table = page[_HEAD : _HEAD + page[26]]
        at, packets = _HEAD + len(table), []
        for length in table:
            self._packet += page[at : at + length]
            at += length
            if len(self._packet) > _LONGEST_PACKET:
                raise ValueError("a packet of this Ogg stream is longer than Opus allows")
            if length < 255:
                packets.append(self._packet)
                self._packet = b""
        return packets


class OggOpus:
    """Opus in Ogg, decoded; the two packets of headers are left out."""

    def __init__(self, channels: int = 1) -> None:
        """As `Decoder`."""
        self._ogg = Ogg()
        self._decoder = Decoder(Codec.OPUS, channels)

    def decode(self, piece: bytes) -> list[list[Pcm]]:
        """One array for each channel, packet by packet."""
        return [
            self._decoder.decode(packet)
            for packet in self._ogg.feed(piece)
            if not packet.startswith((b"OpusHead", b"OpusTags"))
        ]
