"""
What several measurements of blocks need, for many blocks at once: computed when first needed, for all of them.

Arrays have one row for each block.
"""

from functools import cache, cached_property

import numpy as np
import numpy.typing as npt
from numpy import fft  # numpy itself would load it in the first call

from protocol.audio import Pcm

BANDS = 40

TELEPHONE = slice(BANDS // 10, BANDS * 8 // 10)
"""The bands of telephone speech."""

Wave = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]


class BlockArrays:
    """Audio of blocks of one length: int16 `[n, samples]`."""

    def __init__(self, blocks: Pcm) -> None:
        self.blocks = blocks

    def __len__(self) -> int:
        return len(self.blocks)

    def only(self, rows: npt.NDArray[np.intp]) -> "BlockArrays":
        """Return the blocks with these numbers, in rising order."""
        return self if len(rows) == len(self) else BlockArrays(self.blocks[rows])

    @cached_property
    def waves(self) -> Wave:
        """The samples as float32, which must not be changed."""
        return self.blocks.astype(np.float32)

    @cached_property
    def centred(self) -> Wave:
        """The samples without DC, as float32, which must not be changed."""
        centred: Wave = self.waves - self.waves.mean(axis=1, keepdims=True)
        return centred

    @cached_property
    def _ends(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        least, most = self.blocks.min(axis=1), self.blocks.max(axis=1)
        return least.astype(np.int32), most.astype(np.int32)

    @property
    def peaks(self) -> npt.NDArray[np.int32]:
        """The largest magnitude of a sample of each block, 0 to 32,768."""
        least, most = self._ends
        peaks: npt.NDArray[np.int32] = np.maximum(-least, most)
        return peaks

    @property
    def idle(self) -> Mask:
        """Whether all samples of a block are equal."""
        least, most = self._ends
        idle: Mask = least == most
        return idle

    @cached_property
    def power(self) -> Wave:
        """Power spectra of the windowed blocks: float32 `[n, samples // 2 + 1]`."""
        found = fft.rfft(self.waves * _hann(self.blocks.shape[1]))
        power: Wave = found.real**2 + found.imag**2
        return power

    @cached_property
    def spectra(self) -> Wave:
        """Mean powers in `BANDS` bands of equal width: `[n, BANDS]`."""
        width = self.power.shape[1] // BANDS
        bands: Wave = self.power[:, : BANDS * width].reshape(-1, BANDS, width).mean(axis=2)
        return bands + np.float32(1e-3)

    @cached_property
    def flatness(self) -> Wave:
        """Spectral flatness in the telephone band, `[n]`."""
        return flatness(self.spectra[:, TELEPHONE])

    @cached_property
    def neighbourhood(self) -> Wave:
        """Correlation of neighbouring samples of each block: -1 to 1; 0 for digital silence."""
        waves = self.centred
        power = np.einsum("ij,ij->i", waves, waves)
        product = np.einsum("ij,ij->i", waves[:, 1:], waves[:, :-1])
        found: Wave = np.divide(product, power, out=np.zeros_like(power), where=power > 0)
        return found

    @cached_property
    def roughness(self) -> Wave:
        """Mean bits needed for the step from one sample to the next, `[n]`."""
        steps = np.diff(self.waves, axis=1)
        np.abs(steps, out=steps)
        steps += np.float32(1)
        found: Wave = np.log2(steps, out=steps).mean(axis=1)
        return found


def flatness(bands: Wave) -> Wave:
    """Return geometric over arithmetic mean of each row: 1 for white noise, 0 for a tone."""
    found: Wave = np.exp(np.log(bands).mean(axis=1)) / bands.mean(axis=1)
    return found


@cache
def _hann(length: int) -> Wave:
    return np.hanning(length).astype(np.float32)
