"""
The format of an audio part: the samples that one gateway received of a call, appended about every second.

A header, then records in the order of writing. A record is a plain head (length, channel, number, position) and the
encrypted samples. A record that was cut by a crash or a full disk is the last one that a reader finds.
"""

import struct
from dataclasses import dataclass

import numpy as np

from ..audio import Pcm
from .chunk_cipher import SALT_BYTES, TAG_BYTES, ChunkCipher, DamagedChunkError

_MAGIC = b"TLAP\x01"
_FILE = struct.Struct(f">5sI{SALT_BYTES}s")
_RECORD = struct.Struct(">IBQQ")
FILE_HEAD_BYTES = _FILE.size
RECORD_HEAD_BYTES = _RECORD.size
_PURPOSE = "part"
_END = 255
"""Channel of the record that ends a part."""

_LONGEST = 1 << 22
"""Most bytes of a record: a longer one is damage."""


@dataclass(frozen=True, slots=True)
class RecordHead:
    """The head of a record. `length`: bytes that follow it; `position`: of the first sample, at the part's rate."""

    length: int
    channel: int
    number: int
    position: int

    @property
    def is_end(self) -> bool:
        """Whether the record is the last one of a part that was closed."""
        return self.channel == _END

    @property
    def samples(self) -> int:
        """Number of samples in the record."""
        return (self.length - TAG_BYTES) // 2


class PartEncoder:
    """Makes the bytes of one part."""

    def __init__(self, key: bytes, salt: bytes, rate: int) -> None:
        """`rate`: of the samples, in Hz."""
        self._cipher = ChunkCipher(key, salt, _PURPOSE)
        self._number = 0
        self.head = _FILE.pack(_MAGIC, rate, salt)
        """The beginning of the file."""

    def record(self, channel: int, position: int, pcm: Pcm) -> bytes:
        """Return the bytes to append for samples: int16 `[n]`, from `position` at the part's rate."""
        return self._sealed(channel, position, pcm.astype("<i2", copy=False).tobytes())

    def end(self) -> bytes:
        """Return the bytes to append when the part is closed."""
        return self._sealed(_END, 0, b"")

    def _sealed(self, channel: int, position: int, plain: bytes) -> bytes:
        number, self._number = self._number, self._number + 1  # never again, written or not
        head = _RECORD.pack(len(plain) + TAG_BYTES, channel, number, position)
        return head + self._cipher.seal(number, plain, head)


class PartDecoder:
    """Reads the bytes of one part."""

    def __init__(self, key: bytes, head: bytes) -> None:
        """`head`: the first `FILE_HEAD_BYTES` of the file. Raises DamagedChunkError."""
        if len(head) != FILE_HEAD_BYTES or not head.startswith(_MAGIC):
            raise DamagedChunkError
        _, self.rate, salt = _FILE.unpack(head)
        self._cipher = ChunkCipher(key, salt, _PURPOSE)

    def samples(self, head: RecordHead, sealed: bytes) -> Pcm:
        """Return the samples of a record: int16 `[n]`. Raises DamagedChunkError."""
        packed = _RECORD.pack(head.length, head.channel, head.number, head.position)
        return np.frombuffer(self._cipher.unseal(head.number, sealed, packed), dtype="<i2").astype(
            np.int16
        )


def record_head(data: bytes) -> RecordHead | None:
    """Return the head of a record from its `RECORD_HEAD_BYTES`; None if it is cut or damaged."""
    if len(data) != RECORD_HEAD_BYTES:
        return None
    head = RecordHead(*_RECORD.unpack(data))
    return head if TAG_BYTES <= head.length <= _LONGEST else None
