"""The part of a file that a request wants: `Range` and `If-Range` (RFC 9110, sections 13.1.5 and 14.2).  Pure."""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `first` to `last`, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.last - self.first + 1


class UnsatisfiableError(Exception):
    """The range begins behind the end of the file."""


def read_range(asked: str, if_range: str, etag: str, size: int) -> ByteRange | None:
    """
    Return the wanted bytes of a file of `size` bytes; None if the whole file is wanted.

    A header that is malformed, has several ranges, or is for another version of the file (`if_range`) is ignored,
    as the standard permits.  Raises UnsatisfiableError.
    """
    found = _RANGE.fullmatch(asked)
    if found is None or (if_range and if_range.strip() != etag):
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        return _suffix(int(last), size)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise UnsatisfiableError
    return ByteRange(int(first), min(int(last), size - 1) if last else size - 1)


def _suffix(length: int, size: int) -> ByteRange:
    if not length or not size:
        raise UnsatisfiableError
    return ByteRange(max(0, size - length), size - 1)
