"""
Slow gain for quiet channels, before voice activity detection and the engine.  Pure.

Detectors miss speech below about -55 dBFS.  A channel whose speech stays below about -45 dBFS on average is
amplified to about -25 dBFS, by at most 36 dB.  The samples of all other channels pass unchanged.  The gain of a
tick follows from the ticks before it: no delay, and no dependence on how the audio was cut into pieces.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

import numpy as np

from protocol.audio import Pcm
from protocol.clock import CALL_RATE

from .resampler import to_pcm

FAINT_DBFS = -72.0
"""Levels below this one count as this one: it is the smallest step of G.711."""

QUIET_DBFS = -40.0
"""A channel is quiet if its loudest ticks of speech stay below: about 9 dB above the mean level of the speech."""

NORMAL_DBFS = -32.0
"""From the first tick of this level on, a channel is not quiet any more."""

_TARGET_DBFS = -16.0
"""Level of the loudest ticks after the gain."""

MOST_DB = 36.0
"""Greatest gain."""

_MODULATED_DB = 2.4
"""
Mean change of the level from one tick to the next above which sound may be speech.

Speech has 3 to 6 dB, stationary noise 0.5 to 1.5 dB.
"""

_ABOVE_FLOOR_DB = 9.0
_MEMORY = 1 / 15
"""Weight of one tick in the mean change: about 0.3 s."""

_FLOOR_RISE_DB = 0.06
"""Rise of the noise floor per tick (3 dB/s); it falls at once."""

_FADE_DB = 0.02
"""Fall of the speech level per tick of speech (1 dB/s): a loud speaker's pauses are not amplified."""

_EVIDENCE = 10
"""Ticks of speech before the first gain: 0.2 s."""

_RISE_DB = 0.12
"""Rise of the gain per tick of speech, after the first gain: 6 dB/s.  It falls at once, so that nothing clips."""

_POWER_0_DBFS = 20 * log10(32_768)
_LEAST_POWER = 1.0


@dataclass(frozen=True, slots=True)
class LevelState:
    """What is known of one channel: five numbers and a count.  Levels are in dBFS, changes in dB."""

    latest: float = FAINT_DBFS
    change: float = 0.0
    """Mean change of the level from tick to tick."""

    floor: float = 0.0
    """Level of the background."""

    speech: float = FAINT_DBFS
    """Level of the loudest speech; falls slowly."""

    spoken: int = 0
    """Ticks of speech, at most `_EVIDENCE`."""

    gain: float = 0.0
    """Gain for the next tick, in dB; exactly 0 on channels of normal level."""


def observe_all(state: LevelState, powers: Sequence[float]) -> tuple[list[float], LevelState]:
    """
    Observe ticks by their mean powers before the gain (square of 16-bit units).

    Returns the gain of each tick in dB, and the state after the last one.
    """
    before, change, floor = state.latest, state.change, state.floor
    speech, spoken, gain = state.speech, state.spoken, state.gain
    gains = []
    for power in powers:
        gains.append(gain)
        latest = max(10 * log10(max(power, _LEAST_POWER)) - _POWER_0_DBFS, FAINT_DBFS)
        change += _MEMORY * (abs(latest - before) - change)
        floor, before = min(latest, floor + _FLOOR_RISE_DB), latest
        if latest >= NORMAL_DBFS:
            speech, spoken, gain = max(latest, speech - _FADE_DB), _EVIDENCE, 0.0
        elif change >= _MODULATED_DB and latest >= floor + _ABOVE_FLOOR_DB:
            speech = max(latest, speech - _FADE_DB)
            is_first, spoken = spoken < _EVIDENCE, min(spoken + 1, _EVIDENCE)
            gain = 0.0 if spoken < _EVIDENCE else _gain(gain, speech, is_first=is_first)
    return gains, LevelState(before, change, floor, speech, spoken, gain)


def _gain(gain: float, speech: float, *, is_first: bool) -> float:
    """Return the gain after a tick of speech that is not loud."""
    wanted = min(MOST_DB, _TARGET_DBFS - speech)
    if gain == 0.0 and speech >= QUIET_DBFS:
        return 0.0
    return wanted if is_first else min(wanted, gain + _RISE_DB)


class Leveller:
    """Applies the slow gain to one channel."""

    def __init__(self, rate: int = CALL_RATE) -> None:
        """`rate`: of the samples, in Hz."""
        self._tick = rate // 50
        self._state = LevelState()
        self._energy = 0
        self._filled = 0

    @property
    def gain_db(self) -> float:
        """The gain of the next samples in dB; 0 if they pass unchanged."""
        return self._state.gain

    def feed(self, pcm: Pcm) -> Pcm:
        """Take the next samples, int16 `[n]`.  Returns as many; the same array if none is amplified."""
        pieces, start, amplified = list[Pcm](), 0, False
        while start < len(pcm):
            end = min(len(pcm), start + self._tick - self._filled)
            amplified = amplified or self._state.gain > 0.0
            pieces.append(self._take(pcm[start:end]))
            start = end
        return np.concatenate(pieces) if amplified else pcm

    def follow(self, powers: Sequence[float]) -> list[float] | None:
        """
        Observe whole ticks, by the mean power of each before the gain, instead of `feed`.

        Returns the gain of each in dB; None if none is amplified.
        """
        gains, self._state = observe_all(self._state, powers)
        return gains if any(gains) else None

    def _observe(self, power: float) -> None:
        _, self._state = observe_all(self._state, (power,))

    def _take(self, pcm: Pcm) -> Pcm:
        """Amplify samples of one tick; after the last one, observe the level of the whole tick."""
        wave, gain = pcm.astype(np.int64), self._state.gain
        self._energy += int(wave @ wave)  # exact, so that pieces of any length give the same levels
        self._filled += len(pcm)
        if self._filled == self._tick:
            self._observe(self._energy / self._tick)
            self._energy, self._filled = 0, 0
        return amplified(pcm, gain)


def amplified(pcm: Pcm, gain: float) -> Pcm:
    """Return the samples with a gain in dB; the same array if it is 0."""
    return to_pcm(pcm.astype(np.float32) * np.float32(10 ** (gain / 20))) if gain else pcm
