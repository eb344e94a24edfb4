"""The format of a finished audio file: chunks of 64 KB, each encrypted, so that a range is read alone."""

from dataclasses import dataclass

from .chunk_cipher import SALT_BYTES, TAG_BYTES, ChunkCipher, DamagedChunkError

_MAGIC = b"TLAF\x01"
_PURPOSE = "file"
CHUNK_BYTES = 65_536
"""Plain bytes of each chunk but the last."""

FILE_HEAD_BYTES = len(_MAGIC) + SALT_BYTES


class FileSealer:
    """Encrypts the bytes of one file as they come."""

    def __init__(self, key: bytes, salt: bytes) -> None:
        self._cipher = ChunkCipher(key, salt, _PURPOSE)
        self._waiting = bytearray()
        self._number = 0
        self.size = 0
        """Plain bytes so far."""

        self.head = _MAGIC + salt
        """The beginning of the file."""

    def feed(self, plain: bytes) -> bytes:
        """Take the next plain bytes; returns the bytes to write."""
        self._waiting += plain
        self.size += len(plain)
        sealed = b""
        while len(self._waiting) >= CHUNK_BYTES:
            sealed += self._seal(CHUNK_BYTES)
        return sealed

    def finish(self) -> bytes:
        """Return the last bytes to write."""
        return self._seal(len(self._waiting)) if self._waiting else b""

    def _seal(self, size: int) -> bytes:
        plain = bytes(self._waiting[:size])
        del self._waiting[:size]
        self._number += 1
        return self._cipher.seal(self._number, plain)


@dataclass(frozen=True, slots=True)
class SealedChunk:
    """A chunk to read: `offset` and `length` in the file; its plain bytes `first` to `last` are wanted."""

    number: int
    offset: int
    length: int
    first: int
    last: int


def chunks_of(first: int, last: int, size: int) -> list[SealedChunk]:
    """Return the chunks that hold the plain bytes `first` to `last`, both included, of a file of `size` bytes."""
    found = []
    for place in range(first // CHUNK_BYTES, last // CHUNK_BYTES + 1):
        start = place * CHUNK_BYTES
        found.append(
            SealedChunk(
                place + 1,
                FILE_HEAD_BYTES + place * (CHUNK_BYTES + TAG_BYTES),
                min(CHUNK_BYTES, size - start) + TAG_BYTES,
                max(0, first - start),
                min(CHUNK_BYTES - 1, last - start),
            )
        )
    return found


class FileUnsealer:
    """Decrypts the chunks of one file."""

    def __init__(self, key: bytes, head: bytes) -> None:
        """`head`: the first `FILE_HEAD_BYTES` of the file. Raises DamagedChunkError."""
        if len(head) != FILE_HEAD_BYTES or not head.startswith(_MAGIC):
            raise DamagedChunkError
        self._cipher = ChunkCipher(key, head[len(_MAGIC) :], _PURPOSE)

    def open(self, chunk: SealedChunk, sealed: bytes) -> bytes:
        """Return the wanted plain bytes of a chunk. Raises DamagedChunkError."""
        return self._cipher.unseal(chunk.number, sealed)[chunk.first : chunk.last + 1]
