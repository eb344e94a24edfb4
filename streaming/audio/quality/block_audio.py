"""The samples of a block, and what several of its measurements need: each is computed once, when first needed."""

from functools import cache, cached_property

import numpy as np
import numpy.typing as npt
from numpy import fft  # numpy itself would load it in the first call

from protocol.audio import Pcm

BANDS = 40

Wave = npt.NDArray[np.floating]


class BlockAudio:
    """Audio of one block: int16 `[n]`."""

    def __init__(self, pcm: Pcm) -> None:
        self.pcm = pcm

    @cached_property
    def wave(self) -> Wave:
        """The samples as float32 `[n]`, which must not be changed."""
        return self.pcm.astype(np.float32)

    @cached_property
    def _ends(self) -> tuple[int, int]:
        return int(self.pcm.min()), int(self.pcm.max())

    @property
    def peak(self) -> int:
        """The largest magnitude of a sample, 0 to 32,768."""
        least, most = self._ends
        return max(-least, most)

    @property
    def idle(self) -> bool:
        """Whether all samples are equal."""
        least, most = self._ends
        return least == most

    @cached_property
    def power(self) -> Wave:
        """Power spectrum of the windowed block: float32 `[n // 2 + 1]`."""
        power: Wave = np.abs(fft.rfft(self.wave * _hann(len(self.wave)))) ** 2
        return power

    @cached_property
    def spectrum(self) -> Wave:
        """Mean power in `BANDS` bands of equal width."""
        power = self.power
        bands: Wave = power[: len(power) // BANDS * BANDS].reshape(BANDS, -1).mean(axis=1) + 1e-3
        return bands

    @cached_property
    def neighbourhood(self) -> float:
        """Correlation of neighbouring samples: -1 to 1; 0 for digital silence."""
        wave = self.wave - self.wave.mean()
        power = float(wave @ wave)
        return float(wave[1:] @ wave[:-1]) / power if power else 0.0

    @cached_property
    def roughness(self) -> float:
        """Mean bits needed for the step from one sample to the next."""
        return float(np.log2(1 + np.abs(np.diff(self.wave))).mean())


@cache
def _hann(length: int) -> Wave:
    return np.hanning(length).astype(np.float32)
