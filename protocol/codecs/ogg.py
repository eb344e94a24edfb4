"""
Extracts Opus packets from an Ogg stream (RFC 3533, RFC 7845) that arrives in pieces of any size. Pure.

Supports one logical stream, as live clients send it. Checksums are not verified: TCP verifies its data.
"""

MAGIC = b"OggS"

_HEAD = 27
"""Bytes of a page header before the segment table."""

_LONGEST_PACKET = 61_440
"""Longest accepted packet in bytes (RFC 7845, 6); every Opus packet is shorter."""


class Ogg:
    """Extracts packets from one stream. Buffers at most a page and a packet: 125 KB."""

    def __init__(self) -> None:
        self._waiting = b""
        self._packet = b""

    @property
    def held_bytes(self) -> int:
        """Bytes of the incomplete page and packet."""
        return len(self._waiting) + len(self._packet)

    def feed(self, piece: bytes) -> list[bytes]:
        """Add a piece and return the complete packets. Raises ValueError if a page does not begin with `OggS`."""
        waiting, at = self._waiting + piece, 0
        packets: list[bytes] = []
        while (size := _page_size(waiting, at)) is not None and len(waiting) >= at + size:
            packets += self._packets(waiting[at : at + size])
            at += size
        self._waiting = waiting[at:]
        return packets

    def _packets(self, page: bytes) -> list[bytes]:
        """A length below 255 ends a packet. A packet without an end continues in the next page."""
        table = page[_HEAD : _HEAD + page[26]]
        at, packets = _HEAD + len(table), []
        for length in table:
            self._packet += page[at : at + length]
            at += length
            if len(self._packet) > _LONGEST_PACKET:
                raise ValueError("a packet of this Ogg stream is longer than an Opus packet may be")
            if length < 255:
                packets.append(self._packet)
                self._packet = b""
        return packets


def _page_size(stream: bytes, at: int) -> int | None:
    """Length of the page at offset `at`, in bytes; None while its header is incomplete."""
    start = stream[at : at + len(MAGIC)]
    if start != MAGIC[: len(start)]:
        raise ValueError("not an Ogg stream: each page must begin with OggS")
    if len(stream) < at + _HEAD or len(stream) < at + _HEAD + stream[at + 26]:
        return None
    count = stream[at + 26]
    return _HEAD + count + sum(stream[at + _HEAD : at + _HEAD + count])


def is_header(packet: bytes) -> bool:
    """True for the two header packets before the audio (RFC 7845, 5)."""
    return packet.startswith((b"OpusHead", b"OpusTags"))
