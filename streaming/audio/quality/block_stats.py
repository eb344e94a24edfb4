"""
Measures blocks of 250 ms of one channel.

Speech is smooth: decoded correctly, a sample is close to the previous one; decoded with the other law of G.711 or
the other byte order, it is not.  So the same bytes are decoded both ways, and the smoother result is the correct
one.  In all telephone speech that the project was tested with, the sign of `law` was never wrong.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
from numpy import fft  # numpy itself would load it in the first call

from protocol.audio import Encoding, Pcm, decode, encode
from protocol.clock import CALL_RATE

from .block import Balance, Block, Contrast

BLOCK = CALL_RATE // 4
"""Samples of the call clock in a block: 250 ms."""

FULL_SCALE = 32_768

SILENT_DBFS = -120.0
"""The level used for digital silence."""

_TICK = BLOCK // 12
"""Samples over which a level is measured: about 20 ms."""

_CLIPPED = 31_000
"""From this value a sample counts as full scale: the laws of G.711 end at 32,124 and 32,256."""

_FAINT = 64
"""If no sample is larger, the byte order cannot be determined."""

_LOUD_DBFS = -35.0
"""If no tick is louder, missing high frequencies may only be too soft."""

_NEVER_DBFS = -40.0
"""If any tick is softer, there is no steady noise to check."""


_BANDS = 40

_SILENT_CODES = 8
"""The smallest codes of both laws: silence with either law."""

_IDLE_COST = -1.0

Wave = npt.NDArray[np.floating]

_OTHER = {Encoding.MULAW: Encoding.ALAW, Encoding.ALAW: Encoding.MULAW}
_IDLE = {Encoding.MULAW: b"\xff", Encoding.ALAW: b"\xd5"}
"""The code of each law for silence."""


def _known(law: Encoding) -> npt.NDArray[np.bool_]:
    """Return, for each 16-bit value taken as unsigned, whether `law` has a code for it: bool `[65536]`."""
    known = np.zeros(65_536, dtype=np.bool_)
    known[decode(bytes(range(256)), law).view(np.uint16)] = True
    return known


_KNOWN = {law: _known(law) for law in _OTHER}


_NO_CONTRAST = Contrast(0.0, 0.0)
"""The declared decoding is plausible, so the other one need not be checked."""

_LIKELY = 0.4
"""Correlation of neighbouring samples above which they are not misread."""

_MOST_BETWEEN_CHANNELS = 0.3
_LEAST_IN_CHANNEL = 0.6
"""Correlation: upper limit for samples of two different channels, lower limit for samples of one channel."""

_TONAL = 0.03
"""Flatness below which the block contains tones, whose high frequencies are not missing; speech has 0.2."""

_NOISY = 0.15
"""Flatness above which audio may be misread."""


def measure(start: int, pcm: Pcm, rate: int = CALL_RATE) -> Block:
    """
    Measure one block of a channel.  Returns the values that the fault detector compares.

    `pcm`: int16, `[n]`, 250 ms at `rate` Hz; `start`: its position in samples of the call clock (8 kHz).
    """
    levels = _levels(pcm, _TICK * rate // CALL_RATE)
    softest, loudest = float(levels.min()), float(levels.max())
    code = _law_of(pcm)
    faint = int(np.abs(pcm.astype(np.int32)).max()) <= _FAINT
    idle = bool((pcm == pcm[0]).all())
    steady = softest > _NEVER_DBFS and not idle
    broad = loudest > _LOUD_DBFS and not idle and code is None and rate == CALL_RATE
    spectrum = _spectrum(pcm) if broad else None
    telling = not (code or faint or idle)
    order = _order(pcm) if telling else _NO_CONTRAST
    return Block(
        start=start,
        idle=idle,
        loudest=loudest,
        softest=softest,
        offset=float(pcm.mean()) / FULL_SCALE,
        clipped=_clipped(pcm),
        law=None if code is None else _law(pcm, code),
        order=order if telling else None,
        linear=None if code is None or faint or idle else _linear(pcm, code),
        packed=_packed(pcm, order) if telling else None,
        is_stereo=telling and _is_stereo(pcm),
        balance=_balance(pcm, rate) if loudest > _LOUD_DBFS and not idle else None,
        treble=None if spectrum is None else _treble(spectrum),
        flatness=_flatness(_spectrum(_softest(pcm))) if steady else 0.0,
    )


def _levels(pcm: Pcm, tick: int) -> Wave:
    """Return the level of each whole tick in dBFS, without DC."""
    whole = len(pcm) // tick * tick
    ticks = (pcm[:whole] - pcm.mean(dtype=np.float32)).reshape(-1, tick)
    power = np.einsum("ij,ij->i", ticks, ticks) / tick / FULL_SCALE**2
    levels: Wave = 10 * np.log10(np.maximum(power, 10 ** (SILENT_DBFS / 10)))
    return levels


def _softest(pcm: Pcm) -> Pcm:
    """Return the softest quarter of the block: the background without speech."""
    quarters = pcm.reshape(4, -1)
    waves = quarters.astype(np.float32)
    softest: Pcm = quarters[int(np.einsum("ij,ij->i", waves, waves).argmin())]
    return softest


def _law_of(pcm: Pcm) -> Encoding | None:
    """Return the law of G.711 whose decoder can produce all samples of `pcm`; None for other audio."""
    seen = pcm.view(np.uint16)
    return next((law for law, known in _KNOWN.items() if known[seen].all()), None)


def _law(pcm: Pcm, law: Encoding) -> float | None:
    other = _OTHER[law]
    if (pcm == pcm[0]).all():
        # For a muted channel a bridge sends one code; no device produces exactly the idle code of the other law.
        return _IDLE_COST if abs(int(pcm[0])) == abs(int(decode(_IDLE[other], law)[0])) else None
    if int(np.abs(pcm.astype(np.int32)).max()) <= _SILENT_CODES:
        return None
    return _roughness(decode(encode(pcm, law), other)) - _roughness(pcm)


def _order(pcm: Pcm) -> Contrast:
    return _NO_CONTRAST if _neighbourhood(pcm) > _LIKELY else _contrast(pcm, pcm.byteswap())


def _linear(pcm: Pcm, law: Encoding) -> Contrast:
    """Check only noise: a tone above the middle of the band aliases to a lower one when samples are dropped."""
    if _neighbourhood(pcm) > _LIKELY or _flatness(_spectrum(pcm)) < _NOISY:
        return _NO_CONTRAST
    return _contrast(pcm, decode(encode(pcm, law), Encoding.L16))


def _packed(pcm: Pcm, order: Contrast) -> float:
    """Return 0 if the other byte order explains the noise."""
    if order.is_against or _flatness(_spectrum(pcm)) < _NOISY:
        return 0.0
    declared = _roughness(pcm)
    return min(_roughness(decode(pcm.tobytes(), law)) - declared for law in _OTHER)


def _is_stereo(pcm: Pcm) -> bool:
    """
    Return whether neighbouring samples are uncorrelated while every second sample is correlated.

    The correlation must hold for both channels, or for the much louder one.  No single tone has this property
    (cos 2w is negative where cos w is small), and no tested voice had it.
    """
    if abs(_neighbourhood(pcm)) > _MOST_BETWEEN_CHANNELS:
        return False
    sides = [np.ascontiguousarray(pcm[side::2]) for side in (0, 1)]
    powers = [float(np.square(side.astype(np.float32)).mean()) for side in sides]
    louder = sides[int(np.argmax(powers))]
    apart = max(powers) > 4 * min(powers)
    return (
        _neighbourhood(louder) > _LEAST_IN_CHANNEL
        if apart
        else min(map(_neighbourhood, sides)) > _LEAST_IN_CHANNEL
    )


@cache
def _hann(length: int) -> Wave:
    return np.hanning(length).astype(np.float32)


def _balance(pcm: Pcm, rate: int) -> Balance:
    wave = pcm.astype(np.float32) * _hann(len(pcm))
    power = np.abs(fft.rfft(wave)) ** 2
    hertz = fft.rfftfreq(len(wave), 1 / rate)

    def level(low: float, high: float) -> float:
        return float(10 * np.log10(power[(hertz >= low) & (hertz < high)].sum() + 1.0))

    speech = level(80, 3_400)
    return Balance(
        level(80, 250) - speech,
        level(4_200, 7_600) - speech,
        float((power * hertz).sum() / power.sum()),
    )


def _contrast(declared: Pcm, other: Pcm) -> Contrast:
    return Contrast(
        _roughness(other) - _roughness(declared), _neighbourhood(declared) - _neighbourhood(other)
    )


def _roughness(pcm: Pcm) -> float:
    return float(np.log2(1 + np.abs(np.diff(pcm.astype(np.float32)))).mean())


def _neighbourhood(pcm: Pcm) -> float:
    """Return the correlation of neighbouring samples: -1 to 1."""
    wave = pcm.astype(np.float32)
    wave -= wave.mean()
    power = float(wave @ wave)
    return float(wave[1:] @ wave[:-1]) / power if power else 0.0


def _clipped(pcm: Pcm) -> float:
    end = np.abs(pcm.astype(np.int32)) >= _CLIPPED
    return float((end[1:] & end[:-1]).mean())


def _spectrum(pcm: Pcm) -> Wave:
    """Return the power in `_BANDS` bands of equal width."""
    wave = pcm.astype(np.float32) * _hann(len(pcm))
    power = np.abs(fft.rfft(wave)) ** 2
    bands: Wave = power[: len(power) // _BANDS * _BANDS].reshape(_BANDS, -1).mean(axis=1) + 1e-3
    return bands


def _treble(spectrum: Wave) -> float | None:
    """Return how far the band above half of the Nyquist frequency is below the one under it, in dB."""
    if _evenness(spectrum[_BANDS // 10 : _BANDS // 2]) < _TONAL:
        return None
    quarter = _BANDS // 4
    low, high = spectrum[quarter : 2 * quarter - 2], spectrum[2 * quarter + 4 : 3 * quarter + 4]
    return float(10 * np.log10(low.mean() / high.mean()))


def _flatness(spectrum: Wave) -> float:
    """Return the spectral flatness in the telephone band: geometric mean over arithmetic mean."""
    return _evenness(spectrum[_BANDS // 10 : _BANDS * 8 // 10])


def _evenness(band: Wave) -> float:
    return float(np.exp(np.log(band).mean()) / band.mean())
