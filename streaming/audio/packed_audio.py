"""
Audio that is kept in case it is needed again, in the smallest form that gives exactly the same samples.

Audio of a telephone line comes as G.711: its samples take one byte each, and digital silence none.  Any other audio
takes two bytes a sample.  Pure.
"""

from typing import TypeAlias

import numpy as np

from protocol.audio import Encoding, Pcm, decode, encode

from . import compiled

BLOCK = 4_000
"""Bytes of 16-bit samples that are packed together: a quarter of a second at 8 kHz."""

_Block: TypeAlias = tuple[Encoding, bytes]

_SILENCE: _Block = (
    Encoding.MULAW,
    encode(np.zeros(BLOCK // 2, dtype=np.int16), Encoding.MULAW),
)
"""One object for all blocks of digital silence."""

_LAWS = (Encoding.MULAW, Encoding.ALAW)


class PackedAudio:
    """
    16-bit samples of one channel, appended at the end and dropped at both ends.

    Sizes and offsets are bytes of the samples, not of the memory that they take, and even.
    """

    __slots__ = ("_blocks", "_laws", "_skipped", "_tail")

    def __init__(self, samples: bytes = b"") -> None:
        """`samples`: 16 bit in the byte order of the machine."""
        self._blocks: list[_Block] = []
        self._tail = bytearray()
        """The latest samples, less than a block."""

        self._skipped = 0
        """Dropped bytes of the first block."""

        self._laws: tuple[Encoding, ...] = _LAWS
        """The laws of G.711 that the samples may have."""

        if samples:
            self.append(samples)

    def __len__(self) -> int:
        return BLOCK * len(self._blocks) + len(self._tail) - self._skipped

    @property
    def held_bytes(self) -> int:
        """Bytes of memory that the samples take."""
        return len(self._tail) + sum(
            len(block[1]) for block in self._blocks if block is not _SILENCE
        )

    def append(self, samples: bytes) -> None:
        """Append samples: 16 bit in the byte order of the machine."""
        tail = self._tail
        tail += samples
        if len(tail) >= BLOCK:
            whole = len(tail) // BLOCK * BLOCK
            self._blocks += [
                self._pack(bytes(tail[at : at + BLOCK])) for at in range(0, whole, BLOCK)
            ]
            self._tail = tail[whole:]

    def read(self, start: int = 0, end: int | None = None) -> bytes:
        """Return the samples between two offsets; without `end`, up to the last one."""
        packed = BLOCK * len(self._blocks)
        start += self._skipped
        end = packed + len(self._tail) if end is None else end + self._skipped
        if start >= packed:
            return bytes(self._tail[start - packed : end - packed])
        first = start // BLOCK
        parts: list[bytes | bytearray] = [
            _unpacked(block) for block in self._blocks[first : -(-end // BLOCK)]
        ]
        if end > packed:
            parts.append(self._tail)
        return b"".join(parts)[start - BLOCK * first : end - BLOCK * first]

    def truncate(self, size: int) -> None:
        """Keep only the first `size` bytes."""
        if size >= len(self):
            return
        end = size + self._skipped
        count, rest = divmod(end, BLOCK)
        if count >= len(self._blocks):
            del self._tail[end - BLOCK * len(self._blocks) :]
        else:
            self._tail = bytearray(_unpacked(self._blocks[count])[:rest])
            del self._blocks[count:]

    def drop(self, size: int) -> None:
        """Drop the first `size` bytes."""
        self._skipped += min(size, len(self))
        count = min(self._skipped // BLOCK, len(self._blocks))
        del self._blocks[:count]
        self._skipped -= BLOCK * count
        if not self._blocks:
            del self._tail[: self._skipped]
            self._skipped = 0

    def _pack(self, samples: bytes) -> _Block:
        """Return a block in the smallest form.  Audio that once was not G.711 is not tried again."""
        if not samples.strip(b"\0"):
            return _SILENCE
        for law in self._laws:
            if (codes := _coded(samples, law)) is not None:
                self._laws = (law,)
                return law, codes
        self._laws = ()
        return Encoding.L16, encode(np.frombuffer(samples, dtype=np.int16), Encoding.L16)


def _coded(samples: bytes, law: Encoding) -> bytes | None:
    """Return the codes of 16-bit samples; None if `law` cannot give exactly the same samples."""
    if (step := compiled.step()) is not None:
        return step.pack(samples, law is Encoding.ALAW)
    pcm = np.frombuffer(samples, dtype=np.int16)
    codes = encode(pcm, law)
    return codes if np.array_equal(decode(codes, law), pcm) else None


def _unpacked(block: _Block) -> bytes:
    encoding, data = block
    pcm: Pcm = decode(data, encoding)
    return pcm.tobytes()
