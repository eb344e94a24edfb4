"""The measurements of a block of 250 ms of one channel."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contrast:
    """The other decoding of the same bytes minus the declared one.  If both are negative, the other is right."""

    roughness: float
    """Difference of the mean bits needed for the step from one sample to the next."""

    smoothness: float
    """Difference of the correlations of neighbouring samples, with the sign of `roughness`; -2 to 2."""

    @property
    def is_against(self) -> bool:
        """Whether the declared decoding gives noise and the other one does not."""
        return self.roughness < -0.3 and self.smoothness < -0.3


@dataclass(frozen=True, slots=True)
class Balance:
    """
    Spectral balance of a loud block, according to the declared rate.

    `bass`, `high`: dB relative to 80 to 3400 Hz; `centroid`: Hz.
    """

    bass: float
    """80 to 250 Hz: the fundamental frequencies of voices."""

    high: float
    """4200 to 7600 Hz; empty at 8 kHz."""

    centroid: float


@dataclass(frozen=True, slots=True)
class Block:
    """The measurements of 250 ms of a channel."""

    start: int
    """Position on the call clock."""

    idle: bool
    """Whether all samples are equal: no speech, no hum, no connected device."""

    loudest: float
    """Level of the loudest 20 ms, in dBFS; `softest`: of the softest."""

    softest: float
    offset: float
    """Mean of the samples, as a share of full scale."""

    clipped: float
    """Share of the samples that are next to each other at full scale."""

    law: float | None = None
    """Additional bits per sample with the other law of G.711; None if unknown."""

    order: Contrast | None = None
    """Comparison with the other byte order; None if unknown."""

    linear: Contrast | None = None
    """Comparison with the G.711 codes decoded as 16-bit samples; None if unknown."""

    packed: float | None = None
    """Additional bits per sample when the 16 bits are decoded as two G.711 codes; None if unknown."""

    is_stereo: bool = False
    """Whether one declared channel contains the interleaved samples of two."""

    balance: Balance | None = None
    """Spectral balance; None unless the block is loud."""

    treble: float | None = None
    """Level of the lower half of the band above the upper half, in dB; None if unknown."""

    flatness: float = 0.0
    """Spectral flatness of the softest quarter: 1 for white noise, 0 for a tone; 0 unless every tick is loud."""

    @property
    def is_audible(self) -> bool:
        """Whether the block is louder than faint noise."""
        return self.loudest > -50 and not self.idle
