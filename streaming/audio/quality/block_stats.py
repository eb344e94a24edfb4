"""
Measures blocks of 250 ms of one channel.

Speech is smooth: decoded correctly, a sample is close to the previous one; decoded with the other law of G.711 or
the other byte order, it is not.  So the same bytes are decoded both ways, and the smoother result is the correct
one.  In all telephone speech that the project was tested with, the sign of `law` was never wrong.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
from numpy import fft

from protocol.audio import Encoding, Pcm, decode, encode
from protocol.clock import CALL_RATE

from .block import Balance, Block, Contrast
from .block_audio import BANDS, BlockAudio, Wave

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

_SILENT_CODES = 8
"""The smallest codes of both laws: silence with either law."""

_IDLE_COST = -1.0

_OTHER = {Encoding.MULAW: Encoding.ALAW, Encoding.ALAW: Encoding.MULAW}
_IDLE = {Encoding.MULAW: b"\xff", Encoding.ALAW: b"\xd5"}
"""The code of each law for silence."""


def _known(law: Encoding) -> npt.NDArray[np.bool_]:
    """Return, for each 16-bit value taken as unsigned, whether `law` has a code for it: bool `[65536]`."""
    known = np.zeros(65_536, dtype=np.bool_)
    known[decode(bytes(range(256)), law).view(np.uint16)] = True
    return known


_KNOWN = {law: _known(law) for law in _OTHER}


@cache
def _misread(law: Encoding) -> Pcm:
    """Return, for each 16-bit value taken as unsigned, how the other law reads its code: int16 `[65536]`."""
    values = np.arange(65_536, dtype=np.uint16).view(np.int16)
    return decode(encode(values, law), _OTHER[law])


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
    audio = BlockAudio(pcm)
    levels = _levels(audio, _TICK * rate // CALL_RATE)
    softest, loudest = float(levels.min()), float(levels.max())
    code, idle, is_faint = _law_of(pcm), audio.idle, audio.peak <= _FAINT
    is_loud = loudest > _LOUD_DBFS and not idle
    telling = not (code or is_faint or idle)
    order = _order(audio) if telling else _NO_CONTRAST
    return Block(
        start=start,
        idle=idle,
        loudest=loudest,
        softest=softest,
        offset=float(pcm.mean()) / FULL_SCALE,
        clipped=_clipped(audio),
        law=None if code is None else _law(audio, code),
        order=order if telling else None,
        linear=None if code is None or is_faint or idle else _linear(audio, code),
        packed=_packed(audio, order) if telling else None,
        is_stereo=telling and _is_stereo(audio),
        balance=_balance(audio.power, len(pcm), rate) if is_loud else None,
        treble=_treble(audio.spectrum) if is_loud and code is None and rate == CALL_RATE else None,
        flatness=_flatness(_softest(audio)) if softest > _NEVER_DBFS and not idle else 0.0,
    )


def _levels(audio: BlockAudio, tick: int) -> Wave:
    """Return the level of each whole tick in dBFS, without DC."""
    whole = len(audio.pcm) // tick * tick
    ticks = (audio.wave[:whole] - audio.pcm.mean(dtype=np.float32)).reshape(-1, tick)
    power = np.einsum("ij,ij->i", ticks, ticks) / tick / FULL_SCALE**2
    levels: Wave = 10 * np.log10(np.maximum(power, 10 ** (SILENT_DBFS / 10)))
    return levels


def _softest(audio: BlockAudio) -> BlockAudio:
    """Return the softest quarter of the block: the background without speech."""
    waves = audio.wave.reshape(4, -1)
    softest = int(np.einsum("ij,ij->i", waves, waves).argmin())
    return BlockAudio(audio.pcm.reshape(4, -1)[softest])


def _law_of(pcm: Pcm) -> Encoding | None:
    """Return the law of G.711 whose decoder can produce all samples of `pcm`; None for other audio."""
    seen = pcm.view(np.uint16)
    return next((law for law, known in _KNOWN.items() if known[seen].all()), None)


def _law(audio: BlockAudio, law: Encoding) -> float | None:
    if audio.idle:
        # For a muted channel a bridge sends one code; no device produces exactly the idle code of the other law.
        is_idle_code = audio.peak == abs(int(decode(_IDLE[_OTHER[law]], law)[0]))
        return _IDLE_COST if is_idle_code else None
    if audio.peak <= _SILENT_CODES:
        return None
    return BlockAudio(_misread(law)[audio.pcm.view(np.uint16)]).roughness - audio.roughness


def _order(audio: BlockAudio) -> Contrast:
    is_likely = audio.neighbourhood > _LIKELY
    return _NO_CONTRAST if is_likely else _contrast(audio, audio.pcm.byteswap())


def _linear(audio: BlockAudio, law: Encoding) -> Contrast:
    """Check only noise: a tone above the middle of the band aliases to a lower one when samples are dropped."""
    if audio.neighbourhood > _LIKELY or _flatness(audio) < _NOISY:
        return _NO_CONTRAST
    return _contrast(audio, decode(encode(audio.pcm, law), Encoding.L16))


def _packed(audio: BlockAudio, order: Contrast) -> float:
    """Return 0 if the other byte order explains the noise."""
    if order.is_against or _flatness(audio) < _NOISY:
        return 0.0
    codes = audio.pcm.tobytes()
    return min(BlockAudio(decode(codes, law)).roughness - audio.roughness for law in _OTHER)


def _is_stereo(audio: BlockAudio) -> bool:
    """
    Return whether neighbouring samples are uncorrelated while every second sample is correlated.

    The correlation must hold for both channels, or for the much louder one.  No single tone has this property
    (cos 2w is negative where cos w is small), and no tested voice had it.
    """
    if abs(audio.neighbourhood) > _MOST_BETWEEN_CHANNELS:
        return False
    sides = [BlockAudio(np.ascontiguousarray(audio.pcm[side::2])) for side in (0, 1)]
    powers = [float(np.square(side.wave).mean()) for side in sides]
    louder = sides[int(np.argmax(powers))]
    apart = max(powers) > 4 * min(powers)
    telling = (louder,) if apart else sides
    return min(side.neighbourhood for side in telling) > _LEAST_IN_CHANNEL


@cache
def _hertz(length: int, rate: int) -> tuple[Wave, tuple[slice, slice, slice]]:
    """Return the frequencies of a power spectrum, and its parts of speech, of bass, and above telephone speech."""
    hertz = fft.rfftfreq(length, 1 / rate)

    def part(low: float, high: float) -> slice:
        return slice(*np.searchsorted(hertz, (low, high)).tolist())

    return hertz, (part(80, 3_400), part(80, 250), part(4_200, 7_600))


def _balance(power: Wave, length: int, rate: int) -> Balance:
    """Return the balance of the power spectrum of `length` samples."""
    hertz, parts = _hertz(length, rate)
    speech, bass, high = (float(10 * np.log10(power[part].sum() + 1.0)) for part in parts)
    return Balance(bass - speech, high - speech, float((power * hertz).sum() / power.sum()))


def _contrast(declared: BlockAudio, pcm: Pcm) -> Contrast:
    other = BlockAudio(pcm)
    return Contrast(
        other.roughness - declared.roughness, declared.neighbourhood - other.neighbourhood
    )


def _clipped(audio: BlockAudio) -> float:
    if audio.peak < _CLIPPED:
        return 0.0
    end = np.abs(audio.pcm.astype(np.int32)) >= _CLIPPED
    return float((end[1:] & end[:-1]).mean())


def _treble(spectrum: Wave) -> float | None:
    """Return how far the band above half of the Nyquist frequency is below the one under it, in dB."""
    if _evenness(spectrum[BANDS // 10 : BANDS // 2]) < _TONAL:
        return None
    quarter = BANDS // 4
    low, high = spectrum[quarter : 2 * quarter - 2], spectrum[2 * quarter + 4 : 3 * quarter + 4]
    return float(10 * np.log10(low.mean() / high.mean()))


def _flatness(audio: BlockAudio) -> float:
    """Return the spectral flatness in the telephone band: geometric mean over arithmetic mean."""
    return _evenness(audio.spectrum[BANDS // 10 : BANDS * 8 // 10])


def _evenness(band: Wave) -> float:
    return float(np.exp(np.log(band).mean()) / band.mean())
