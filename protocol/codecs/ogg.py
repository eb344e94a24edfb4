"""
Opus packets out of an Ogg stream (RFC 3533, RFC 7845), cut anywhere.  Pure.

One logical stream, as every live client sends it; check sums are not verified, for TCP has done so.
"""

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
        waiting, at = self._waiting + piece, 0
        packets: list[bytes] = []
        while (size := _page_size(waiting, at)) is not None and len(waiting) >= at + size:
            packets += self._packets(waiting[at : at + size])
            at += size
        self._waiting = waiting[at:]
        return packets

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


def _page_size(stream: bytes, at: int) -> int | None:
    """Bytes of the page that begins at `at`; None while that cannot be known."""
    start = stream[at : at + len(MAGIC)]
    if start != MAGIC[: len(start)]:
        raise ValueError("not an Ogg stream: a page begins with OggS")
    if len(stream) < at + _HEAD or len(stream) < at + _HEAD + stream[at + 26]:
        return None
    count = stream[at + 26]
    return _HEAD + count + sum(stream[at + _HEAD : at + _HEAD + count])


def is_header(packet: bytes) -> bool:
    """Whether it is one of the two packets in front of the audio (RFC 7845, 5)."""
    return packet.startswith((b"OpusHead", b"OpusTags"))
