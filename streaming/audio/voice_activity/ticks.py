"""
The ticks of one channel: level, gain, the opinion of webrtcvad, and which of them are decided.

`Ticks` of many channels are classified together, as rows of one array.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import webrtcvad

from protocol.audio import Pcm
from protocol.clock import CALL_RATE

from ..endpointing import TICK
from ..levelling import Leveller, amplified

_QUIET_TICKS = 15
"""Ticks without voice in both detectors before Silero is deactivated: about the cost of its next warm-up."""

_IDLE_TICKS = 10
"""Consecutive ticks of digital silence after which webrtcvad would be in the same state after each further one."""

_NO_SAMPLES = np.zeros(0, dtype=np.int16)

_MODE = 2
"""Aggressiveness of webrtcvad, 0 to 3: mode 3 cuts off soft beginnings of words."""


class Tick(NamedTuple):
    """20 ms of one channel: whether it is voiced, and its mean power before the gain (square of 16-bit units)."""

    voiced: bool
    level: float


class Ticks:
    """Call `feed`, then `classify`, which decides nothing; then `pass_silence` and `settle`, then `drain`."""

    def __init__(self, *, webrtc: bool, levelled: bool) -> None:
        """`webrtc`: without it, every tick is voiced; `levelled`: whether quiet audio is amplified."""
        self.position = 0
        """Position of the first undecided tick."""

        self._first = webrtcvad.Vad(_MODE) if webrtc else None
        self._leveller = Leveller() if levelled else None
        self._fed: list[Pcm] = []
        self.fed = 0
        """Samples that `classify` has not taken yet."""

        self._rest = _NO_SAMPLES
        """Samples before the gain that no tick contains yet."""

        self._idle = 0
        """Consecutive ticks of digital silence."""

        self._undecided: deque[Tick] = deque()
        self._decided: list[Tick] = []
        self._quiet = 0

    @property
    def undecided(self) -> int:
        """Number of ticks that are not decided."""
        return len(self._undecided)

    @property
    def heard(self) -> int:
        """Position after the last sample received."""
        return self.position + TICK * len(self._undecided) + len(self._rest) + self.fed

    def feed(self, pcm: Pcm) -> None:
        """Take the next samples: int16 `[n]`."""
        if len(pcm):
            self._fed.append(pcm)
            self.fed += len(pcm)

    def cut(self) -> Pcm:
        """Remove and return the samples that no tick contains yet, before the gain: int16 `[n]`."""
        fed = [self._rest, *self._fed] if len(self._rest) else self._fed
        self._fed, self.fed = [], 0
        return fed[0] if len(fed) == 1 else np.concatenate(fed)

    def observe(self, audio: bytes, levels: Sequence[float], rest: Pcm) -> bytes:
        """
        Take what `cut` returned: whole ticks (16-bit samples) with the mean power of each, and the `rest`.

        Returns the samples after the gain, without those of the last `rest`, which it returned already.
        """
        if self._leveller and (gains := self._leveller.follow(levels)):
            audio = _amplified(audio, gains)
        self._undecided.extend(self._first_opinions(audio, levels))
        if not len(rest) and not len(self._rest):
            return audio
        gain = self._leveller.gain_db if self._leveller else 0.0
        fresh = audio + amplified(rest, gain).tobytes()
        fresh = fresh[2 * len(self._rest) :]
        self._rest = rest.copy() if len(rest) else _NO_SAMPLES
        return fresh

    def pass_silence(self) -> bool:
        """Decide ticks up to the next voiced one: most ticks of a call.  Returns whether there is one."""
        undecided, before = self._undecided, len(self._undecided)
        while undecided and not undecided[0].voiced:
            self._decided.append(undecided.popleft())
        passed = before - len(undecided)
        self.position += TICK * passed
        self._quiet += passed
        return bool(undecided)

    def settle(self, until: int, *, speech: bool) -> bool:
        """
        Decide the ticks that end by `until`: those with the first opinion are voiced, if `speech`.

        Returns True, without the ticks after it, at a tick with which neither detector has had voice for long.
        """
        while self._undecided and self.position + TICK <= until:
            tick = self._undecided.popleft()
            voiced = tick.voiced and speech
            self._decided.append(tick if tick.voiced == voiced else Tick(voiced, tick.level))
            self.position += TICK
            self._quiet = 0 if tick.voiced or speech else self._quiet + 1
            if self._quiet >= _QUIET_TICKS:
                return True
        return False

    def drain(self) -> list[Tick]:
        """Return the ticks decided since the last call, in order."""
        decided, self._decided = self._decided, []
        return decided

    def skip(self, ticks: int) -> None:
        """Advance over missing audio."""
        self.position += ticks * TICK

    def _first_opinions(self, audio: bytes, levels: Sequence[float]) -> list[Tick]:
        first, idle, ticks = self._first, self._idle, []
        for number, level in enumerate(levels):
            idle = 0 if level else idle + 1
            voiced = first is None or (
                idle <= _IDLE_TICKS
                and first.is_speech(audio[2 * TICK * number : 2 * TICK * (number + 1)], CALL_RATE)
            )
            ticks.append(Tick(voiced, level))
        self._idle = idle
        return ticks


def classify(channels: Sequence[Ticks]) -> list[bytes]:
    """Give all `channels` the first opinion on their new ticks.  Returns the new samples of each after the gain."""
    cuts = [channel.cut() for channel in channels]
    counts = [len(cut) // TICK for cut in cuts]
    whole = [cut[: count * TICK] for cut, count in zip(cuts, counts, strict=True)]
    ticks = (whole[0] if len(whole) == 1 else np.concatenate(whole)).reshape(-1, TICK)
    levels, audio, start, given = _powers(ticks), ticks.tobytes(), 0, list[bytes]()
    for channel, cut, count in zip(channels, cuts, counts, strict=True):
        end = start + count
        piece = audio[2 * TICK * start : 2 * TICK * end]
        given.append(channel.observe(piece, levels[start:end], cut[count * TICK :]))
        start = end
    return given


def _powers(ticks: Pcm) -> list[float]:
    """Return the mean power of each tick; `ticks`: int16 `[n, TICK]`."""
    waves = ticks.astype(np.float64)  # exact: whole numbers below 2 ** 53
    powers: list[float] = (np.einsum("ij,ij->i", waves, waves) / TICK).tolist()
    return powers


def _amplified(audio: bytes, gains: Sequence[float]) -> bytes:
    """Return ticks with the gain of each, in dB."""
    ticks = np.frombuffer(audio, dtype=np.int16).reshape(-1, TICK)
    louder = [amplified(tick, gain) for tick, gain in zip(ticks, gains, strict=True)]
    return np.concatenate(louder).tobytes()
