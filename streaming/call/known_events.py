"""
The event log of a call as its gateway keeps it, in case Redis loses its data: packed, as it is hardly ever read.

Pure.
"""

import zlib
from collections.abc import Iterable, Iterator

import msgspec

BLOCK = 8_192
"""Bytes of names and payloads that are packed together: about a minute of talk.  Packing takes 0.3 ms."""

NamedEvent = tuple[str, bytes]
"""The key of an event in the log of its call, and the event as it was written."""


class KnownEvents:
    """The entries of an event log, in their order."""

    __slots__ = ("_blocks", "_count", "_tail", "_tail_size")

    def __init__(self, events: Iterable[NamedEvent] = ()) -> None:
        self._blocks: list[bytes] = []
        """The older entries, each block packed."""

        self._tail: list[NamedEvent] = []
        """The newest entries, less than a block."""

        self._tail_size = self._count = 0
        for event in events:
            self.append(*event)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[NamedEvent]:
        for block in self._blocks:
            yield from _unpacked(block)
        yield from self._tail

    @property
    def held_bytes(self) -> int:
        """Bytes of memory that names and payloads take."""
        return sum(map(len, self._blocks)) + self._tail_size

    def append(self, name: str, payload: bytes) -> None:
        """Add the newest entry."""
        self._count += 1
        self._tail.append((name, payload))
        self._tail_size += len(name) + len(payload)
        if self._tail_size >= BLOCK:
            self._blocks.append(_packed(self._tail))
            self._tail, self._tail_size = [], 0

    def replace(self, name: str, payload: bytes) -> None:
        """Replace the payloads of the entries with a name."""
        self._tail = _replaced(self._tail, name, payload)
        self._tail_size = sum(len(one) + len(event) for one, event in self._tail)
        for place, block in enumerate(self._blocks):
            before = _unpacked(block)
            after = _replaced(before, name, payload)
            if after != before:
                self._blocks[place] = _packed(after)

    def copy(self) -> "KnownEvents":
        """Return the entries as they are now."""
        same = KnownEvents()
        same._blocks, same._tail = list(self._blocks), list(self._tail)
        same._tail_size, same._count = self._tail_size, self._count
        return same


def _packed(events: list[NamedEvent]) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(events))


def _unpacked(block: bytes) -> list[NamedEvent]:
    return msgspec.msgpack.decode(zlib.decompress(block), type=list[NamedEvent])


def _replaced(events: list[NamedEvent], name: str, payload: bytes) -> list[NamedEvent]:
    return [(one, payload if one == name else event) for one, event in events]
