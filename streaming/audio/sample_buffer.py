"""The most recent samples of one channel, addressed by position."""

from typing import cast

import numpy as np

from protocol.audio import Pcm

from . import compiled

_SLACK = 1_600


class SampleBuffer:
    """Keeps a channel's most recent audio, addressed by position, until the owner calls `forget`."""

    def __init__(self) -> None:
        self._samples = bytearray()
        self._start = 0

    @property
    def start(self) -> int:
        """Position of the oldest sample kept."""
        return self._start

    @property
    def end(self) -> int:
        """Position after the newest sample."""
        return self._start + len(self._samples) // 2

    def append(self, pcm: Pcm) -> None:
        """Append the next samples: int16 `[n]`."""
        self.extend(pcm.astype(np.int16, copy=False).tobytes())

    def extend(self, samples: bytes) -> None:
        """Append the next samples: 16 bit in the byte order of the machine."""
        self._samples += samples

    def cut(self, start: int, end: int) -> Pcm:
        """Return a copy of the samples from `start` to `end`.  Raises ValueError if some are not kept."""
        if not self._start <= start <= end <= self.end:
            raise ValueError(
                f"samples {start} to {end} requested; the buffer holds {self._start} to {self.end}"
            )
        first, last = 2 * (start - self._start), 2 * (end - self._start)
        return np.frombuffer(bytes(self._samples[first:last]), dtype=np.int16)

    def forget(self, before: int) -> None:
        """Drop the samples before position `before`."""
        surplus = min(before, self.end) - self._start
        if surplus > 0:
            del self._samples[: 2 * surplus]
            self._start += surplus

    def forget_soon(self, before: int) -> None:
        """Drop the samples before position `before`, if they are more than 1,600, to save time per tick."""
        if before - self._start > _SLACK:
            self.forget(before)

    def jump(self, position: int) -> None:
        """Drop all samples and continue at `position`, in samples."""
        self._samples.clear()
        self._start = position


def sample_buffer() -> SampleBuffer:
    """Return an empty buffer: of the compiled step, if it is in use."""
    step = compiled.step()
    return cast("SampleBuffer", step.SampleBuffer()) if step else SampleBuffer()
