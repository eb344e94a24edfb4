"""Recordings of people, brought to one level and put together as a telephone line carries them.  Pure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from support import sounds
from support.sounds import Pcm
from support.wav import read_wav

from protocol.audio import Encoding, decode, encode

TICK = 160
SPEECH = Path(__file__).parents[1] / "speech"


def active(pcm: Pcm) -> npt.NDArray[np.bool_]:
    """Return which ticks are speech: within 30 dB of the loudest."""
    power = _powers(pcm)
    return np.asarray(power > power.max() / 1_000)


def softer(pcm: Pcm, decibels: float | npt.NDArray[np.float64]) -> Pcm:
    """Return the samples with a loss in dB, one for all samples or one for each."""
    soft: Pcm = np.rint(pcm * 10 ** (-decibels / 20)).clip(-32_768, 32_767).astype(np.int16)
    return soft


def clips(pattern: str) -> list[Pcm]:
    """Return the recordings of `tests/speech`, at -20 dBFS, without the silence around them."""
    return [_clip(path) for path in sorted(SPEECH.glob(pattern))]


def as_line(parts: Sequence[Pcm]) -> Pcm:
    """Join the parts, with a second of silence behind them, and add noise of -62 dBFS and mu-law."""
    whole = np.concatenate([*parts, sounds.silence(1.0)]).astype(np.int32)
    noise = sounds.white_noise(len(whole) / sounds.RATE, dbfs=-62)[: len(whole)]
    return mulaw((whole + noise).clip(-32_768, 32_767).astype(np.int16))


def mulaw(pcm: Pcm) -> Pcm:
    """Return the samples after G.711."""
    return decode(encode(pcm, Encoding.MULAW), Encoding.MULAW)


def _clip(path: Path) -> Pcm:
    pcm = read_wav(path)[1][0]
    spoken = np.flatnonzero(active(pcm))
    pcm = pcm[spoken[0] * TICK : (spoken[-1] + 1) * TICK]
    level = 10 * np.log10(_powers(pcm)[active(pcm)].mean() / 32_768**2)
    return softer(pcm, float(level) + 20)


def _powers(pcm: Pcm) -> npt.NDArray[np.float64]:
    ticks = pcm[: len(pcm) // TICK * TICK].astype(np.float64).reshape(-1, TICK)
    return np.asarray((ticks**2).mean(axis=1))
