"""
Whether a tick of one channel is voiced.

webrtcvad costs next to nothing and hears every voice, but in loud noise it hears nothing else.  Silero knows
speech from noise at twenty to fifty times the price.  So webrtcvad listens all the time, and only while it
hears a voice is Silero asked for its opinion, for all channels in one run; a tick is voiced when both say so.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import webrtcvad

from protocol.audio import Pcm
from protocol.clock import CALL_RATE

from .endpointing import TICK
from .silero import SileroChannel, VadQuery, VadResult, silero_weights

_QUIET_TICKS = 15
"""Both must be quiet for so long before Silero is let go: about what it costs to wake it again."""


_MODE = 2
"""webrtcvad's second strictest: the strictest swallows soft beginnings of words."""


class Vad(StrEnum):
    """Who decides what is voiced."""

    BOTH = "webrtc+silero"
    WEBRTC = "webrtc"
    SILERO = "silero"


def available() -> frozenset[Vad]:
    """The choices that this installation has; without Silero's weights that is webrtcvad alone."""
    return frozenset(Vad) if silero_weights() else frozenset({Vad.WEBRTC})


@dataclass(frozen=True, slots=True)
class Tick:
    """20 ms of one channel: whether they are voiced, and their mean power."""

    voiced: bool
    level: float


class Detector:
    """
    The ticks of one channel, voiced or not.

    `hear`, answer each `question` with `learn` until there is none, `drain`.  A tick is judged by the window that
    holds its last sample, so its verdict comes at most 32 ms behind it.  The ticks do not depend on how the
    audio was cut into pieces.
    """

    def __init__(self, vad: Vad = Vad.BOTH) -> None:
        self._first = None if vad is Vad.SILERO else webrtcvad.Vad(_MODE)
        self._second = None if vad is Vad.WEBRTC else SileroChannel()
        self._rest = np.zeros(0, dtype=np.int16)
        self._undecided: deque[Tick] = deque()
        self._decided: list[Tick] = []
        self._position = 0
        self._quiet = 0

    @property
    def heard(self) -> int:
        """Position behind the last sample heard, on the call clock."""
        return self._position + TICK * len(self._undecided) + len(self._rest)

    @property
    def query(self) -> VadQuery | None:
        """What this channel wants to know of Silero, if anything."""
        return self._second.query if self._second and self._undecided else None

    def feed(self, pcm: Pcm) -> None:
        """Take in 8 kHz samples."""
        if self._second:
            self._second.feed(pcm)
        samples = np.concatenate([self._rest, pcm]) if len(self._rest) else pcm
        whole = len(samples) - len(samples) % TICK
        self._rest = samples[whole:].copy()
        for start in range(0, whole, TICK):
            self._undecided.append(self._first_opinion(samples[start : start + TICK]))
        self._decide()

    def apply(self, result: VadResult) -> None:
        """Silero's answer to `question`."""
        if self._second is None:
            raise RuntimeError("an opinion that nobody asked for")
        self._second.apply(result)
        self._decide()

    def drain(self) -> list[Tick]:
        """The ticks decided since the last call, in order."""
        decided, self._decided = self._decided, []
        return decided

    def conclude(self) -> None:
        """Decide every whole tick now, by Silero's latest word where its next one cannot be waited for."""
        while self._undecided:
            self._settle(
                self._undecided[0].voiced and (self._second is None or self._second.speech)
            )

    def skip(self, ticks: int) -> None:
        """Advance over audio that does not exist.  Only at the end of a tick, when all is decided."""
        if self._undecided or len(self._rest):
            raise RuntimeError("audio is undecided: conclude first, at the end of a tick")
        self._position += ticks * TICK
        if self._second:
            self._second.jump(self._position)

    def _first_opinion(self, tick: Pcm) -> Tick:
        power = tick.astype(np.float32)
        voiced = self._first is None or self._first.is_speech(tick.tobytes(), CALL_RATE)
        return Tick(voiced, float(power @ power) / TICK)

    def _decide(self) -> None:
        """Settle ticks in order until one has to wait for an opinion."""
        while self._undecided:
            voiced = self._undecided[0].voiced
            if self._second is not None:
                if voiced and not self._second.awake:
                    self._second.wake(self._position)
                if self._second.awake and not self._second.knows(self._position + TICK):
                    return
                voiced = voiced and self._second.speech
            self._settle(voiced)

    def _settle(self, voiced: bool) -> None:  # noqa: FBT001 - it is what a tick is
        """Decide the oldest tick, and let Silero go when nobody has heard anything for a while."""
        tick = self._undecided.popleft()
        self._decided.append(Tick(voiced, tick.level))
        self._position += TICK
        if self._second is None:
            return
        self._quiet = 0 if tick.voiced or self._second.speech else self._quiet + 1
        if self._second.awake and self._quiet >= _QUIET_TICKS:
            self._second.sleep()
        self._second.forget(self._position)
