"""Cuts the audio of one channel into blocks.  Pure; positions are samples at the bridge's rate."""

from dataclasses import dataclass, field

import numpy as np

from protocol.audio import Pcm


@dataclass(frozen=True, slots=True)
class CutBlock:
    """The samples of a block: int16 `[size]`, from `start`."""

    start: int
    pcm: Pcm = field(repr=False)

    @property
    def end(self) -> int:
        """Position after the last sample."""
        return self.start + len(self.pcm)


class BlockCutter:
    """
    Cuts blocks that begin at a multiple of their size, so that blocks of channels can be compared.

    Audio that is not complete when a gap follows belongs to no block.
    """

    def __init__(self, size: int) -> None:
        """`size`: samples in a block."""
        self._size = size
        self._samples = bytearray()
        self._start = 0
        self._end = 0
        self._complete_at = size
        """Position at which the next block is complete."""

    @property
    def is_empty(self) -> bool:
        """Whether no audio has been added yet."""
        return self._end == 0

    @property
    def held_samples(self) -> int:
        """Number of samples in memory."""
        return len(self._samples) // 2

    def add(self, position: int, pcm: Pcm) -> list[CutBlock]:
        """Take audio in order: int16 `[n]`, from `position`.  Returns the blocks that it completes."""
        if position != self._end:
            self._samples.clear()
            self._start, self._end = position, position
            self._complete_at = (-(-position // self._size) + 1) * self._size
        self._samples += pcm.tobytes()
        self._end += len(pcm)
        return self._cut() if self._end >= self._complete_at else []

    def _cut(self) -> list[CutBlock]:
        first = self._complete_at - self._size
        rest = self._end - self._end % self._size
        audio = np.frombuffer(
            bytes(self._samples[2 * (first - self._start) : 2 * (rest - self._start)]), np.int16
        )
        del self._samples[: 2 * (rest - self._start)]
        self._start, self._complete_at = rest, rest + self._size
        return [
            CutBlock(first + at, audio[at : at + self._size])
            for at in range(0, len(audio), self._size)
        ]
