"""
Voice activity detection: decides whether a tick of one channel is voiced.

webrtcvad costs very little and detects every voice, but classifies loud noise as voice too.  Silero distinguishes
speech from noise at 20 to 50 times the cost.  So webrtcvad runs always, and Silero only while webrtcvad detects
voice, for all channels in one run.  A tick is voiced if both detect voice.
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
from ..sample_buffer import SampleBuffer
from .silero import CONTEXT, WARM_UP, SileroChannel, VadQuery, VadResult, silero_weights
from .vad_choice import Vad

_QUIET_TICKS = 15
"""Ticks without voice in both detectors before Silero is deactivated: about the cost of its next warm-up."""


_IDLE_TICKS = 10
"""Consecutive ticks of digital silence after which webrtcvad would be in the same state after each further one."""

_NO_SAMPLES = np.zeros(0, dtype=np.int16)

_MODE = 2
"""Aggressiveness of webrtcvad, 0 to 3: mode 3 cuts off soft beginnings of words."""


def available() -> frozenset[Vad]:
    """Return the detectors of this installation; without Silero's weights only webrtcvad."""
    return frozenset(Vad) if silero_weights() else frozenset({Vad.WEBRTC})


class Tick(NamedTuple):
    """20 ms of one channel: whether it is voiced, and its mean power before the gain (square of 16-bit units)."""

    voiced: bool
    level: float


class Detector:
    """
    Classifies the ticks of one channel as voiced or unvoiced.

    Call `feed`, answer each `query` by `apply` until there is none, then `drain`.  The Silero window with a tick's
    last sample decides the tick, so the result comes at most 32 ms after it.  Ticks do not depend on how the audio
    was cut into pieces.
    """

    def __init__(self, vad: Vad = Vad.BOTH, leveller: Leveller | None = None) -> None:
        """`leveller`: the gain of the channel; None if there is none, or if it was applied before."""
        self.audio = SampleBuffer()
        """The samples after the gain.  The owner forgets them, up to `needed`."""

        self._first = None if vad is Vad.SILERO else webrtcvad.Vad(_MODE)
        self._second = None if vad is Vad.WEBRTC else SileroChannel(self.audio)
        self._leveller = leveller
        self._fed: list[Pcm] = []
        self._fed_samples = 0
        """Samples that `classify` has not taken yet."""

        self._rest = _NO_SAMPLES
        """Samples before the gain that no tick contains yet; `audio` has them."""

        self._idle = 0
        """Consecutive ticks of digital silence."""

        self._undecided: deque[Tick] = deque()
        self._decided: list[Tick] = []
        self._position = 0
        self._quiet = 0

    @property
    def heard(self) -> int:
        """Position after the last sample received, on the call clock."""
        incomplete = len(self._rest) + self._fed_samples
        return self._position + TICK * len(self._undecided) + incomplete

    @property
    def needed(self) -> int:
        """Position before which `audio` is not needed any more."""
        return self._position - (WARM_UP + CONTEXT if self._second else 0)

    @property
    def has_audio(self) -> bool:
        """Whether there is audio to `classify`."""
        return self._fed_samples > 0

    @property
    def query(self) -> VadQuery | None:
        """The next windows that Silero must classify; None if there are none."""
        if self._fed_samples:
            classify([self])
        if self._second is None or not self._undecided:
            return None
        return self._second.query

    def feed(self, pcm: Pcm) -> None:
        """Take the next samples: int16 `[n]` at 8 kHz."""
        if len(pcm):
            self._fed.append(pcm)
            self._fed_samples += len(pcm)

    def cut(self) -> Pcm:
        """Remove and return the samples that no tick contains yet, before the gain: int16 `[n]`."""
        fed = [self._rest, *self._fed] if len(self._rest) else self._fed
        self._fed, self._fed_samples = [], 0
        return fed[0] if len(fed) == 1 else np.concatenate(fed)

    def observe(self, audio: bytes, levels: Sequence[float], rest: Pcm) -> None:
        """Take what `cut` returned: whole ticks (16-bit samples) with the mean power of each, and the `rest`."""
        if self._leveller and (gains := self._leveller.follow(levels)):
            audio = _amplified(audio, gains)
        self._append(audio, rest)
        self._undecided.extend(self._first_opinions(audio, levels))
        self._decide()

    def _append(self, audio: bytes, rest: Pcm) -> None:
        """Keep the samples after the gain; those of the last `rest` are kept already."""
        if not len(rest) and not len(self._rest):
            self.audio.extend(audio)
            return
        gain = self._leveller.gain_db if self._leveller else 0.0
        fresh = audio + amplified(rest, gain).tobytes()
        self.audio.extend(fresh[2 * len(self._rest) :])
        self._rest = rest.copy() if len(rest) else _NO_SAMPLES

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
        if self._fed_samples:
            classify([self])
        decided, self._decided = self._decided, []
        return decided

    def conclude(self) -> None:
        """Decide every whole tick now; use Silero's latest result for ticks that it has not classified."""
        if self._fed_samples:
            classify([self])
        while self._undecided:
            self._settle(
                self._undecided[0].voiced and (self._second is None or self._second.speech)
            )

    def skip(self, ticks: int) -> None:
        """Advance over missing audio.  Raises RuntimeError unless all ticks are decided and none is incomplete."""
        if self._undecided or self._fed_samples or len(self._rest):
            raise RuntimeError(
                "some ticks have no decision yet: call conclude first, at the end of a tick"
            )
        self._position += ticks * TICK
        self.audio.jump(self._position)
        if self._second:
            self._second.sleep()

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

    def _decide(self) -> None:
        """Decide ticks in order until one has to wait for Silero."""
        second, undecided = self._second, self._undecided
        while undecided:
            voiced = undecided[0].voiced
            if second is not None and not second.awake:
                if not voiced:
                    self._pass_silence(undecided)
                    continue
                second.wake(self._position)
            if second is not None:
                if not second.knows(self._position + TICK):
                    return
                voiced = voiced and second.speech
            self._settle(voiced)

    def _pass_silence(self, undecided: deque[Tick]) -> None:
        """Decide ticks without voice while Silero is inactive: most ticks of a call."""
        before = len(undecided)
        while undecided and not undecided[0].voiced:
            self._decided.append(undecided.popleft())
        passed = before - len(undecided)
        self._position += TICK * passed
        self._quiet += passed

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


def classify(detectors: Sequence[Detector]) -> None:
    """Give all `detectors` the first opinion on their new ticks; the samples are rows of one array."""
    cuts = [detector.cut() for detector in detectors]
    counts = [len(cut) // TICK for cut in cuts]
    whole = [cut[: count * TICK] for cut, count in zip(cuts, counts, strict=True)]
    ticks = (whole[0] if len(whole) == 1 else np.concatenate(whole)).reshape(-1, TICK)
    levels, audio, start = _powers(ticks), ticks.tobytes(), 0
    for detector, cut, count in zip(detectors, cuts, counts, strict=True):
        end = start + count
        detector.observe(
            audio[2 * TICK * start : 2 * TICK * end], levels[start:end], cut[count * TICK :]
        )
        start = end


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
