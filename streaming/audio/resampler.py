"""
Sample rate conversion: from the bridge's rate to the internal rate, and to 8 kHz for voice activity detection.

Workers convert 8 kHz to the engine's 16 kHz (workers/upsampling.py).
"""

import numpy as np
import numpy.typing as npt
import soxr

from protocol.audio import Pcm
from protocol.clock import CALL_RATE, ENGINE_RATE

Floats = npt.NDArray[np.float32]

_HALF_BAND_TAPS = 47
_EMPTY = np.zeros(0, dtype=np.int16)


def internal_rate(rate: int) -> int:
    """Return the rate at which audio that arrives at `rate` Hz is processed: 8000 if `rate` is 8000, else 16000."""
    return CALL_RATE if rate == CALL_RATE else ENGINE_RATE


class RateConverter:
    """
    Converts one channel from the bridge's rate to `internal_rate`, in pieces.  All audio is int16 `[n]`.

    The count is exact: after `flush`, `n` samples of the bridge have become `n * internal_rate // rate` samples,
    counted from the start of the channel.  soxr holds back up to 80 ms; audio at 8 and 16 kHz passes unchanged.
    """

    def __init__(self, rate: int, start: int = 0) -> None:
        """`rate`: of the bridge, in Hz; `start`: position of the first sample, at the bridge's rate."""
        self._rate = rate
        self._to = internal_rate(rate)
        self._fed = start
        self._given = self.position(start)
        self._stream: soxr.ResampleStream | None = None

    @property
    def given(self) -> int:
        """Position after the last sample returned, at the internal rate."""
        return self._given

    def position(self, sample: int) -> int:
        """Convert a position at the bridge's rate to the internal rate, rounded down."""
        return sample * self._to // self._rate

    def feed(self, pcm: Pcm) -> Pcm:
        """Take the next samples at the bridge's rate.  Returns the converted samples that are ready."""
        self._fed += len(pcm)
        if self._rate == self._to:
            self._given += len(pcm)
            return pcm
        if self._stream is None:
            self._stream = soxr.ResampleStream(self._rate, self._to, 1, "int16", soxr.HQ)
        return self._give(self._stream.resample_chunk(pcm))

    def flush(self) -> Pcm:
        """Return the rest.  The next samples fed continue directly after it."""
        if self._stream is None:
            return _EMPTY
        rest = self._stream.resample_chunk(_EMPTY, last=True)
        self._stream = None
        missing = self.position(self._fed) - self._given
        padding = np.zeros(max(0, missing - len(rest)), dtype=np.int16)
        return self._give(np.concatenate([rest, padding])[: max(0, missing)])

    def skip(self, samples: int) -> int:
        """
        Advance over `samples`, at the bridge's rate, that did not arrive.  Call `flush` first.

        Returns the number of samples at the internal rate.
        """
        self._fed += samples
        skipped = self.position(self._fed) - self._given
        self._given += skipped
        return skipped

    def _give(self, samples: Pcm) -> Pcm:
        self._given += len(samples)
        return samples


class Halver:
    """
    Converts 16 to 8 kHz, only for voice activity detection.

    A half-band filter of 47 taps: its delay of 1.4 ms is small against a tick of 20 ms; its output has no bursts.
    """

    def __init__(self) -> None:
        self._taps = _half_band(_HALF_BAND_TAPS)
        self._held = np.zeros(_HALF_BAND_TAPS - 1, dtype=np.float32)

    def feed(self, pcm: Pcm) -> Pcm:
        """Take int16 `[n]` at 16 kHz.  Returns one sample for every two; an odd sample waits for the next call."""
        samples = np.concatenate([self._held, pcm.astype(np.float32)])
        count = (len(samples) - _HALF_BAND_TAPS + 1) // 2
        if count == 0:
            self._held = samples
            return _EMPTY
        self._held = samples[2 * count :]
        # In a half-band filter every other tap is zero, except for the middle one.
        middle = _HALF_BAND_TAPS // 2
        sides = np.convolve(
            samples[: 2 * count + _HALF_BAND_TAPS - 2 : 2], self._taps[::2], "valid"
        )
        return to_pcm(sides + samples[middle : middle + 2 * count : 2] * self._taps[middle])


def to_pcm(samples: Floats) -> Pcm:
    """Convert float samples in 16-bit units to int16, rounded and clipped."""
    rounded: Floats = np.rint(samples)
    return rounded.clip(-32_768, 32_767).astype(np.int16)


def _half_band(taps: int) -> Floats:
    """Return a low-pass filter at a quarter of the sample rate: a sinc with a Kaiser window; its sum is 1."""
    at = np.arange(taps) - taps // 2
    filtered: Floats = (np.sinc(at / 2) * np.kaiser(taps, 6.0)).astype(np.float32)
    filtered /= filtered.sum()
    return filtered
