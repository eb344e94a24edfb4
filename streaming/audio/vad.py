"""
Voice activity detection: decides whether a tick of one channel is voiced.

webrtcvad costs very little and detects every voice, but classifies loud noise as voice too.  Silero distinguishes
speech from noise at 20 to 50 times the cost.  So webrtcvad runs always, and Silero only while webrtcvad detects
voice, for all channels in one run.  A tick is voiced if both detect voice.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import webrtcvad

from protocol.audio import Pcm
from protocol.clock import CALL_RATE

from .endpointing import TICK
from .silero import SileroChannel, VadQuery, VadResult, silero_weights
from .vad_choice import Vad

_QUIET_TICKS = 15
"""Ticks without voice in both detectors before Silero is deactivated: about the cost of its next warm-up."""


_IDLE_TICKS = 10
"""Consecutive ticks of digital silence after which webrtcvad would be in the same state after each further one."""

_MODE = 2
"""Aggressiveness of webrtcvad, 0 to 3: mode 3 cuts off soft beginnings of words."""


def available() -> frozenset[Vad]:
    """Return the detectors of this installation; without Silero's weights only webrtcvad."""
    return frozenset(Vad) if silero_weights() else frozenset({Vad.WEBRTC})


@dataclass(frozen=True, slots=True)
class Tick:
    """20 ms of one channel: whether it is voiced, and its mean power (square of 16-bit units)."""

    voiced: bool
    level: float


class Detector:
    """
    Classifies the ticks of one channel as voiced or unvoiced.

    Call `feed`, answer each `query` by `apply` until there is none, then `drain`.  The Silero window with a tick's
    last sample decides the tick, so the result comes at most 32 ms after it.  Ticks do not depend on how the audio
    was cut into pieces.
    """

    def __init__(self, vad: Vad = Vad.BOTH) -> None:
        self._first = None if vad is Vad.SILERO else webrtcvad.Vad(_MODE)
        self._second = None if vad is Vad.WEBRTC else SileroChannel()
        self._fed: list[Pcm] = []
        self._fed_samples = 0
        """Samples that no tick contains yet."""

        self._idle = 0
        """Consecutive ticks of digital silence."""

        self._undecided: deque[Tick] = deque()
        self._decided: list[Tick] = []
        self._position = 0
        self._quiet = 0

    @property
    def heard(self) -> int:
        """Position after the last sample received, on the call clock."""
        return self._position + TICK * len(self._undecided) + self._fed_samples

    @property
    def has_ticks(self) -> bool:
        """Whether there are whole ticks to `classify`."""
        return self._fed_samples >= TICK

    @property
    def query(self) -> VadQuery | None:
        """The next windows that Silero must classify; None if there are none."""
        if self._fed_samples >= TICK:
            classify([self])
        if self._second is None or not self._undecided:
            return None
        return self._second.query

    def feed(self, pcm: Pcm) -> None:
        """Take the next samples: int16 `[n]` at 8 kHz."""
        if self._second:
            self._second.feed(pcm)
        if len(pcm):
            self._fed.append(pcm)
            self._fed_samples += len(pcm)

    def cut(self) -> Pcm:
        """Remove and return the samples of whole ticks: int16 `[n]`."""
        samples = self._fed[0] if len(self._fed) == 1 else np.concatenate(self._fed)
        whole = len(samples) - len(samples) % TICK
        self._fed_samples = len(samples) - whole
        self._fed = [samples[whole:].copy()] if self._fed_samples else []
        return samples[:whole]

    def observe(self, audio: bytes, levels: Sequence[float]) -> None:
        """Take the ticks in `audio`, 16-bit samples at 8 kHz, with the mean power of each."""
        for number, level in enumerate(levels):
            self._idle = 0 if level else self._idle + 1
            tick = audio[2 * TICK * number : 2 * TICK * (number + 1)]
            self._undecided.append(Tick(self._first_opinion(tick), level))
        self._decide()

    def apply(self, result: VadResult) -> None:
        """Take Silero's result for `query`.  Raises RuntimeError if Silero is not used."""
        if self._second is None:
            raise RuntimeError("a Silero result without a request")
        starts = self._second.starts
        for probability in result.probabilities:
            self._second.advance(probability)
            self._decide()
            if self._second.starts != starts:  # the further windows were not needed
                return
        self._second.remember(result.memory)

    def drain(self) -> list[Tick]:
        """Return the ticks decided since the last call, in order."""
        if self.has_ticks:
            classify([self])
        decided, self._decided = self._decided, []
        return decided

    def conclude(self) -> None:
        """Decide every whole tick now; use Silero's latest result for ticks that it has not classified."""
        if self.has_ticks:
            classify([self])
        while self._undecided:
            self._settle(
                self._undecided[0].voiced and (self._second is None or self._second.speech)
            )

    def skip(self, ticks: int) -> None:
        """Advance over missing audio.  Raises RuntimeError unless all ticks are decided and none is incomplete."""
        if self._undecided or self._fed_samples:
            raise RuntimeError(
                "some ticks have no decision yet: call conclude first, at the end of a tick"
            )
        self._position += ticks * TICK
        if self._second:
            self._second.jump(self._position)

    def _first_opinion(self, tick: bytes) -> bool:
        if self._first is None:
            return True
        return self._idle <= _IDLE_TICKS and bool(self._first.is_speech(tick, CALL_RATE))

    def _decide(self) -> None:
        """Decide ticks in order until one has to wait for Silero."""
        while self._undecided:
            voiced = self._undecided[0].voiced
            if self._second is not None:
                if voiced and not self._second.awake:
                    self._second.wake(self._position)
                if self._second.awake and not self._second.knows(self._position + TICK):
                    return
                voiced = voiced and self._second.speech
            self._settle(voiced)

    def _settle(self, voiced: bool) -> None:  # noqa: FBT001 - the value of a tick
        """Decide the oldest tick, and deactivate Silero after a while without voice."""
        tick = self._undecided.popleft()
        self._decided.append(tick if tick.voiced == voiced else Tick(voiced, tick.level))
        self._position += TICK
        if self._second is None:
            return
        self._quiet = 0 if tick.voiced or self._second.speech else self._quiet + 1
        if self._second.awake and self._quiet >= _QUIET_TICKS:
            self._second.sleep()
        self._second.forget(self._position)


def classify(detectors: Sequence[Detector]) -> None:
    """Give all `detectors` the first opinion on their new ticks; the samples are rows of one array."""
    cuts = [detector.cut() for detector in detectors]
    ticks = (cuts[0] if len(cuts) == 1 else np.concatenate(cuts)).reshape(-1, TICK)
    waves = ticks.astype(np.float64)  # exact: whole numbers below 2 ** 53
    levels = (np.einsum("ij,ij->i", waves, waves) / TICK).tolist()
    audio, start = ticks.tobytes(), 0
    for detector, cut in zip(detectors, cuts, strict=True):
        end = start + len(cut) // TICK
        detector.observe(audio[2 * TICK * start : 2 * TICK * end], levels[start:end])
        start = end
