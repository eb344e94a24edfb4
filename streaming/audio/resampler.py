"""
From the telephone's rate to the engine's, and back for the voice detectors.

Upwards with soxr HQ: flat to 3.7 kHz, and no image of the telephone band gets past 4 kHz, so that an engine
trained on wide-band speech hears a clean narrow band.  tests/streaming/audio/test_resampler.py measures it.
"""

import numpy as np
import numpy.typing as npt
import soxr

from protocol.audio import Pcm
from protocol.clock import CALL_RATE, ENGINE_RATE, UPSAMPLING

Floats = npt.NDArray[np.float32]

_HALF_BAND_TAPS = 47
_EMPTY = np.zeros(0, dtype=np.int16)


class Upsampler:
    """
    8 to 16 kHz for one segment, in pieces.

    soxr gives its output in bursts, 64 ms behind the input on average and 120 ms at most.
    """

    def __init__(self) -> None:
        self._stream = soxr.ResampleStream(
            CALL_RATE, ENGINE_RATE, 1, dtype="float32", quality=soxr.HQ
        )
        self._fed = 0
        self._given = 0

    def feed(self, pcm: Pcm) -> Pcm:
        """Take in samples; give those that are ready."""
        self._fed += len(pcm)
        return self._give(self._stream.resample_chunk(pcm.astype(np.float32)))

    def flush(self) -> Pcm:
        """The rest: all pieces together are twice as long as the input.  Nothing may be fed after it."""
        rest = self._stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True)
        return self._give(rest[: UPSAMPLING * self._fed - self._given])

    def _give(self, samples: Floats) -> Pcm:
        self._given += len(samples)
        return to_pcm(samples)


class Untouched:
    """16 kHz from the bridge goes to the engine as it is."""

    def feed(self, pcm: Pcm) -> Pcm:
        """The same samples."""
        return pcm

    def flush(self) -> Pcm:
        """Nothing is ever held back."""
        return _EMPTY


def internal_rate(rate: int) -> int:
    """Hz at which audio that arrives at `rate` Hz is processed: the call clock's or the engine's."""
    return CALL_RATE if rate == CALL_RATE else ENGINE_RATE


class RateConverter:
    """
    One channel's audio, from the bridge's rate to `internal_rate`, in pieces.

    Counts exactly: after `flush`, `n` samples of the bridge have become `n * internal_rate // rate` samples,
    counted from the start of the channel.  soxr holds back up to 80 ms; 8 and 16 kHz pass at once, untouched.
    """

    def __init__(self, rate: int, start: int = 0) -> None:
        """`rate` in Hz; `start`: position of the first sample, in samples of the bridge."""
        self._rate = rate
        self._to = internal_rate(rate)
        self._fed = start
        self._given = self.position(start)
        self._stream: soxr.ResampleStream | None = None

    @property
    def given(self) -> int:
        """Position behind the last sample returned, in samples of the internal rate."""
        return self._given

    def position(self, sample: int) -> int:
        """Where a sample of the bridge lies, in samples of the internal rate, rounded down."""
        return sample * self._to // self._rate

    def feed(self, pcm: Pcm) -> Pcm:
        """Take in the samples that come next; return those that are ready."""
        self._fed += len(pcm)
        if self._rate == self._to:
            self._given += len(pcm)
            return pcm
        if self._stream is None:
            self._stream = soxr.ResampleStream(self._rate, self._to, 1, "int16", soxr.HQ)
        return self._give(self._stream.resample_chunk(pcm))

    def flush(self) -> Pcm:
        """Return the rest: the next sample fed begins behind it, whatever its position."""
        if self._stream is None:
            return _EMPTY
        rest = self._stream.resample_chunk(_EMPTY, last=True)
        self._stream = None
        missing = self.position(self._fed) - self._given
        padding = np.zeros(max(0, missing - len(rest)), dtype=np.int16)
        return self._give(np.concatenate([rest, padding])[: max(0, missing)])

    def skip(self, samples: int) -> int:
        """
        Advance over `samples` of the bridge that never came; return how many that is at the internal rate.

        `flush` first.
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
    16 to 8 kHz for the voice detectors only.

    A half-band filter of 47 taps: 1.4 ms of delay, which is nothing to a tick of 20 ms, and no bursts.
    """

    def __init__(self) -> None:
        self._taps = _half_band(_HALF_BAND_TAPS)
        self._held = np.zeros(_HALF_BAND_TAPS - 1, dtype=np.float32)

    def feed(self, pcm: Pcm) -> Pcm:
        """One sample for every two that came; an odd one waits for its neighbour."""
        samples = np.concatenate([self._held, pcm.astype(np.float32)])
        count = (len(samples) - _HALF_BAND_TAPS + 1) // 2
        if count == 0:
            self._held = samples
            return _EMPTY
        self._held = samples[2 * count :]
        # Of a half-band filter every other tap is zero, but for the middle one.
        middle = _HALF_BAND_TAPS // 2
        sides = np.convolve(
            samples[: 2 * count + _HALF_BAND_TAPS - 2 : 2], self._taps[::2], "valid"
        )
        return to_pcm(sides + samples[middle : middle + 2 * count : 2] * self._taps[middle])


def to_pcm(samples: Floats) -> Pcm:
    """`samples` in 16-bit units, rounded and clipped."""
    rounded: Floats = np.rint(samples)
    return rounded.clip(-32_768, 32_767).astype(np.int16)


def _half_band(taps: int) -> Floats:
    """Low-pass at a quarter of the rate: a sinc under a Kaiser window, with a sum of one."""
    at = np.arange(taps) - taps // 2
    filtered: Floats = (np.sinc(at / 2) * np.kaiser(taps, 6.0)).astype(np.float32)
    filtered /= filtered.sum()
    return filtered
