"""
Sounds a telephone line carries besides speech, made by code: 16-bit PCM at 8 kHz.

Pure: the same arguments give the same samples.  Lengths are in seconds because tests are written in seconds;
levels are the root mean square in dBFS (0 dBFS is a square wave at full scale).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Pcm = npt.NDArray[np.int16]
Wave = npt.NDArray[np.floating]
"""Samples of any size, before they are brought to a level."""

RATE = 8_000

# ITU-T Q.23: each key is one of four low tones and one of four high ones.
_LOW_HZ = (697, 770, 852, 941)
_HIGH_HZ = (1209, 1336, 1477, 1633)
_KEYS = ("123A", "456B", "789C", "*0#D")

_CHORDS_HZ = (
    (261.6, 329.6, 392.0),  # C
    (220.0, 261.6, 329.6),  # a minor
    (349.2, 440.0, 523.3),  # F
    (392.0, 493.9, 587.3),  # G
)
_CHORD_SECONDS = 1.2


def silence(seconds: float) -> Pcm:
    """Digital silence, as a bridge sends for a muted channel."""
    return np.zeros(_samples(seconds), dtype=np.int16)


def tone(seconds: float, hz: float = 440.0, dbfs: float = -20.0) -> Pcm:
    """One steady sine."""
    return _at_level(_sine(seconds, hz), dbfs)


def ringback(seconds: float, dbfs: float = -20.0) -> Pcm:
    """Ringback tone of North America: 440 + 480 Hz, 2 s on, 4 s off."""
    ringing = np.arange(_samples(seconds)) % (6 * RATE) < 2 * RATE
    return _at_level(_sine(seconds, 440) + _sine(seconds, 480), dbfs) * ringing


def dtmf(digit: str, seconds: float = 0.1, dbfs: float = -12.0) -> Pcm:
    """DTMF tone of `digit`: 0-9, *, #, A-D.  Raises ValueError for others."""
    for row, low in zip(_KEYS, _LOW_HZ, strict=True):
        if len(digit) == 1 and digit in row:
            high = _HIGH_HZ[row.index(digit)]
            return _at_level(_sine(seconds, low) + _sine(seconds, high), dbfs)
    raise ValueError(f"{digit!r} is no key of a telephone")


def white_noise(seconds: float, dbfs: float = -40.0, seed: int = 0) -> Pcm:
    """White noise: the same power at every frequency."""
    return _at_level(_white(seconds, seed), dbfs)


def pink_noise(seconds: float, dbfs: float = -40.0, seed: int = 0) -> Pcm:
    """Pink noise, like a room: the power falls by 3 dB per octave above 50 Hz."""
    return _at_level(_shaped(seconds, seed, lambda hz: 1 / np.sqrt(np.maximum(hz, 50))), dbfs)


def comfort_noise(seconds: float, dbfs: float = -65.0, seed: int = 0) -> Pcm:
    """Comfort noise (RFC 3389): faint, mostly below 1 kHz."""
    return _at_level(_shaped(seconds, seed, lambda hz: 1 / (1 + (hz / 1_000) ** 2)), dbfs)


def music(seconds: float, seed: int = 0, dbfs: float = -20.0) -> Pcm:
    """Simple hold music: four plucked chords, repeated in an order given by `seed`."""
    order = np.random.default_rng(seed).permutation(len(_CHORDS_HZ))
    bars = [_chord(_CHORDS_HZ[chord]) for chord in order]
    return _at_level(np.resize(np.concatenate(bars), _samples(seconds)), dbfs)


def mix(speech: Pcm, noise: Pcm, snr_db: float) -> Pcm:
    """`speech` over `noise`, repeated or cut to fit, at `snr_db` between their powers; clips at full scale."""
    fitted = np.resize(noise.astype(np.float64), len(speech))
    wanted = _rms(speech.astype(np.float64)) / 10 ** (snr_db / 20)
    return _pcm(speech + fitted * _gain(fitted, wanted))


def level(pcm: Pcm) -> float:
    """Level of `pcm` in dBFS; minus infinity for digital silence."""
    size = _rms(pcm.astype(np.float64)) / 32_768
    return float(20 * np.log10(size)) if size else float("-inf")


def _samples(seconds: float) -> int:
    return round(seconds * RATE)


def _sine(seconds: float, hz: float) -> Wave:
    return np.sin(2 * np.pi * hz * np.arange(_samples(seconds)) / RATE)


def _white(seconds: float, seed: int) -> Wave:
    return np.random.default_rng(seed).standard_normal(_samples(seconds))


def _shaped(seconds: float, seed: int, response: Callable[[Wave], Wave]) -> Wave:
    """White noise with `response` (amplitude by frequency in Hz) laid over its spectrum."""
    white = _white(seconds, seed)
    if not len(white):
        return white  # no spectrum of an empty array
    hz = np.fft.rfftfreq(len(white), 1 / RATE)
    return np.fft.irfft(np.fft.rfft(white) * response(hz), len(white))


def _chord(notes_hz: tuple[float, ...]) -> Wave:
    """Plucked strings: each note with its octave and twelfth, dying away."""
    strings = [
        _sine(_CHORD_SECONDS, note * partial) / partial**2
        for note in notes_hz
        for partial in (1, 2, 3)
    ]
    decay = np.exp(-3 * np.arange(_samples(_CHORD_SECONDS)) / _samples(_CHORD_SECONDS))
    chord: Wave = np.sum(strings, axis=0) * decay
    return chord


def _rms(wave: Wave) -> float:
    return float(np.sqrt(np.mean(np.square(wave)))) if len(wave) else 0.0


def _gain(wave: Wave, wanted: float) -> float:
    """Factor that brings `wave` to `wanted`; silence stays silence."""
    heard = _rms(wave)
    return wanted / heard if heard else 0.0


def _at_level(wave: Wave, dbfs: float) -> Pcm:
    return _pcm(wave * _gain(wave, 32_768 * 10 ** (dbfs / 20)))


def _pcm(wave: Wave) -> Pcm:
    return np.clip(np.round(wave), -32_768, 32_767).astype(np.int16)
