"""
A quarter of a second of one channel, measured.

Speech is smooth: read rightly, a sample lies near the last one; read wrongly (the other law of G.711, the other
byte order), it does not.  So the same bytes are read both ways, and the smoother reading is the right one.  Over
all the telephone speech that the project was tried with the sign of `law` has never been wrong (bench/passport.py).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy import fft  # numpy itself would load it in the first call

from protocol.audio import Encoding, Pcm, decode, encode
from protocol.clock import CALL_RATE

BLOCK = CALL_RATE // 4
"""Samples of the call clock in a block: 250 ms."""

FULL_SCALE = 32_768

SILENT_DBFS = -120.0
"""Stands for the level of digital silence."""

_TICK = BLOCK // 12
"""Samples over which levels are taken: about 20 ms."""

_CLIPPED = 31_000
"""From here on a sample is at the end of the scale: the laws of G.711 end at 32 124 and 32 256."""

_FAINT = 64
"""Where no sample is larger, the byte order cannot be told."""

_LOUD_DBFS = -35.0
"""Where no tick is louder, what is missing in the treble may only be too soft."""

_NEVER_DBFS = -40.0
"""Where a tick is softer, there is no steady noise to be looked for."""


_BANDS = 40

_SILENT_CODES = 8
"""The smallest codes of both laws: silence, whichever of them it is read by."""

_IDLE_COST = -1.0

Wave = npt.NDArray[np.floating]

_OTHER = {Encoding.MULAW: Encoding.ALAW, Encoding.ALAW: Encoding.MULAW}
_IDLE = {Encoding.MULAW: b"\xff", Encoding.ALAW: b"\xd5"}
"""What each law writes for silence."""


def _known(law: Encoding) -> npt.NDArray[np.bool_]:
    """For each 16-bit value, seen as unsigned, whether `law` has a code for it."""
    known = np.zeros(65_536, dtype=np.bool_)
    known[decode(bytes(range(256)), law).view(np.uint16)] = True
    return known


_KNOWN = {law: _known(law) for law in _OTHER}


@dataclass(frozen=True, slots=True)
class Contrast:
    """The other reading of the same bytes, less the declared one: both negative, and it is the right one."""

    roughness: float
    """Bits to write the step from one sample to the next, on average."""

    smoothness: float
    """Correlation of neighbours, reversed so that it has the sign of `roughness`; -2 to 2."""

    @property
    def is_against(self) -> bool:
        """Whether the declared reading is noise and the other one is not."""
        return self.roughness < -0.3 and self.smoothness < -0.3


@dataclass(frozen=True, slots=True)
class Balance:
    """Where the power of a loud block lies, in dB relative to 80 to 3400 Hz and in Hz, by the declared rate."""

    bass: float
    """80 to 250 Hz: the voice itself."""

    high: float
    """4200 to 7600 Hz; nothing at 8 kHz."""

    centroid: float


_NO_CONTRAST = Contrast(0.0, 0.0)
"""The declared reading is good: nobody needs to look at the other one."""

_LIKELY = 0.4
"""Neighbours that are so much alike are no misread samples."""

_STRANGERS = 0.3
_KIN = 0.6
"""Likeness of neighbours that are samples of two channels, and of those of one."""

_TONAL = 0.03
"""Flatness below which there are tones, whose treble nobody would miss; speech has 0.2."""

_NOISY = 0.15
"""Flatness of what may be misread."""


@dataclass(frozen=True, slots=True)
class Block:
    """What was found in 250 ms of a channel."""

    start: int
    """On the call clock."""

    idle: bool
    """Every sample is the same: nobody speaks, nothing hums, no device is there."""

    loudest: float
    """dBFS of the loudest and of the softest 20 ms."""

    softest: float
    offset: float
    """Mean, as a share of full scale."""

    clipped: float
    """Share of the samples that stand side by side at the end of the scale."""

    law: float | None = None
    """Bits a sample that the other law of G.711 would cost more; None where this cannot be told."""

    order: Contrast | None = None
    """The other byte order; None where this cannot be told."""

    linear: Contrast | None = None
    """The codes of G.711 read as 16-bit samples; None where this cannot be told."""

    packed: float | None = None
    """Bits a sample that two codes of G.711 would cost more than the 16 bits; None where this cannot be told."""

    is_stereo: bool = False
    """Samples of two channels take turns in what was declared as one."""

    balance: Balance | None = None
    """Only known where the block is loud."""

    treble: float | None = None
    """dB by which the upper half of the band lies below the lower; None where this cannot be told."""

    flatness: float = 0.0
    """Of the softest quarter: 1 for white noise, 0 for a tone; only known where every tick is loud."""


def measure(start: int, pcm: Pcm, rate: int = CALL_RATE) -> Block:
    """What is found in `pcm`, BLOCK samples of the call clock at `rate` Hz."""
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
    """Level of each whole tick in dBFS, without direct current."""
    whole = len(pcm) // tick * tick
    ticks = (pcm[:whole] - pcm.mean(dtype=np.float32)).reshape(-1, tick)
    power = np.einsum("ij,ij->i", ticks, ticks) / tick / FULL_SCALE**2
    levels: Wave = 10 * np.log10(np.maximum(power, 10 ** (SILENT_DBFS / 10)))
    return levels


def _softest(pcm: Pcm) -> Pcm:
    """The softest quarter: what is there when nobody speaks."""
    quarters = pcm.reshape(4, -1)
    waves = quarters.astype(np.float32)
    softest: Pcm = quarters[int(np.einsum("ij,ij->i", waves, waves).argmin())]
    return softest


def _law_of(pcm: Pcm) -> Encoding | None:
    """The law of G.711 that all of `pcm` came out of, whoever decoded it; None for other audio."""
    seen = pcm.view(np.uint16)
    return next((law for law, known in _KNOWN.items() if known[seen].all()), None)


def _law(pcm: Pcm, law: Encoding) -> float | None:
    other = _OTHER[law]
    if (pcm == pcm[0]).all():
        # What a bridge sends for a muted channel is one code, and no device hums at exactly its neighbour's.
        return _IDLE_COST if abs(int(pcm[0])) == abs(int(decode(_IDLE[other], law)[0])) else None
    if int(np.abs(pcm.astype(np.int32)).max()) <= _SILENT_CODES:
        return None
    return _roughness(decode(encode(pcm, law), other)) - _roughness(pcm)


def _order(pcm: Pcm) -> Contrast:
    return _NO_CONTRAST if _neighbourhood(pcm) > _LIKELY else _contrast(pcm, pcm.byteswap())


def _linear(pcm: Pcm, law: Encoding) -> Contrast:
    """A tone above the middle of the band seems a lower one when it is thinned out: only noise is doubted."""
    if _neighbourhood(pcm) > _LIKELY or _flatness(_spectrum(pcm)) < _NOISY:
        return _NO_CONTRAST
    return _contrast(pcm, decode(encode(pcm, law), Encoding.L16))


def _packed(pcm: Pcm, order: Contrast) -> float:
    """Nothing where the other byte order explains the noise."""
    if order.is_against or _flatness(_spectrum(pcm)) < _NOISY:
        return 0.0
    declared = _roughness(pcm)
    return min(_roughness(decode(pcm.tobytes(), law)) - declared for law in _OTHER)


def _is_stereo(pcm: Pcm) -> bool:
    """
    Neighbours have nothing to do with each other, every other sample has: both, or that of the louder channel.

    No single tone is like that (cos 2w is negative where cos w is small), and no voice was.
    """
    if abs(_neighbourhood(pcm)) > _STRANGERS:
        return False
    sides = [np.ascontiguousarray(pcm[side::2]) for side in (0, 1)]
    powers = [float(np.square(side.astype(np.float32)).mean()) for side in sides]
    louder = sides[int(np.argmax(powers))]
    apart = max(powers) > 4 * min(powers)
    return _neighbourhood(louder) > _KIN if apart else min(map(_neighbourhood, sides)) > _KIN


def _balance(pcm: Pcm, rate: int) -> Balance:
    wave = pcm.astype(np.float32) * np.hanning(len(pcm)).astype(np.float32)
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
    """How much a sample is like the next one: -1 to 1."""
    wave = pcm.astype(np.float32)
    wave -= wave.mean()
    power = float(wave @ wave)
    return float(wave[1:] @ wave[:-1]) / power if power else 0.0


def _clipped(pcm: Pcm) -> float:
    end = np.abs(pcm.astype(np.int32)) >= _CLIPPED
    return float((end[1:] & end[:-1]).mean())


def _spectrum(pcm: Pcm) -> Wave:
    """Power in bands of equal width."""
    wave = pcm.astype(np.float32) * np.hanning(len(pcm)).astype(np.float32)
    power = np.abs(fft.rfft(wave)) ** 2
    bands: Wave = power[: len(power) // _BANDS * _BANDS].reshape(_BANDS, -1).mean(axis=1) + 1e-3
    return bands


def _treble(spectrum: Wave) -> float | None:
    """The band above half of what the rate can carry against the one below; the edges belong to neither."""
    if _evenness(spectrum[_BANDS // 10 : _BANDS // 2]) < _TONAL:
        return None
    quarter = _BANDS // 4
    low, high = spectrum[quarter : 2 * quarter - 2], spectrum[2 * quarter + 4 : 3 * quarter + 4]
    return float(10 * np.log10(low.mean() / high.mean()))


def _flatness(spectrum: Wave) -> float:
    """Geometric over arithmetic mean, in the telephone band."""
    return _evenness(spectrum[_BANDS // 10 : _BANDS * 8 // 10])


def _evenness(band: Wave) -> float:
    return float(np.exp(np.log(band).mean()) / band.mean())
