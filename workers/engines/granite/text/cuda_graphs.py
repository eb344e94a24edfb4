"""
Decode steps as CUDA graphs.

An eager step starts about 400 small kernels one after another, and the GPU waits for the next start most of the
time.  A graph starts them all at once, but only for the sizes it was recorded with: so rows and columns are
rounded up to a few sizes, and the rows that are too many work on column 0 of slots that nobody uses.

**No GPU has run `capture` yet.**  All the rest is tested on a CPU with another way of recording.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from .llm import KeyValues, LanguageModel

ROWS = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
WIDTHS = (128, 256, 512, 1_024, 2_048, 4_096)


def bucket(size: int, sizes: Sequence[int], most: int) -> int:
    """The smallest of `sizes` that holds `size`, never more than `most`."""
    place = bisect_left(sizes, size)
    return min(sizes[place] if place < len(sizes) else most, most)


Chosen = tuple[torch.Tensor, torch.Tensor]
"""Tokens and their log probabilities, one of each for every row."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A step of fixed size: fill `tokens` and `positions`, replay, read `chosen`."""

    tokens: torch.Tensor
    positions: torch.Tensor
    replay: Callable[[], None]
    chosen: Chosen


Capture = Callable[[Callable[[], Chosen], torch.device], tuple[Callable[[], None], Chosen]]
"""Record a function without arguments: how to run it again, and where its results will stand."""


class Graphs:
    """CUDA graphs that share one pool of memory: they never run at the same time."""

    def __init__(self) -> None:
        self._pool: object | None = None

    def capture(
        self, act: Callable[[], Chosen], device: torch.device
    ) -> tuple[Callable[[], None], Chosen]:
        """See Capture.  Runs `act` twice beforehand, on a stream of its own, as recording demands."""
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(2):
                act()
        torch.cuda.current_stream(device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            chosen = act()
        self._pool = self._pool or graph.pool()
        return graph.replay, chosen


class GraphStepper:
    """Steps by replaying graphs; one is recorded for each size when it is first met, best during warm-up."""

    def __init__(
        self, model: LanguageModel, cache: KeyValues, capture: Capture | None = None
    ) -> None:
        self._model, self._cache = model, cache
        self._capture = capture or Graphs().capture
        self._recorded: dict[tuple[int, int], Recorded] = {}

    def step(
        self, tokens: Sequence[int], positions: Sequence[int]
    ) -> tuple[list[int], list[float]]:
        """See Stepper."""
        rows = bucket(len(tokens), ROWS, self._cache.slots)
        width = bucket(max(positions) + 1, WIDTHS, self._cache.capacity)
        recorded = self._recorded.get((rows, width)) or self._record(rows, width)
        spare = [0] * (rows - len(tokens))
        with torch.inference_mode():
            recorded.tokens.copy_(torch.tensor([*tokens, *spare]))
            recorded.positions.copy_(torch.tensor([*positions, *spare]))
            recorded.replay()
            chosen, log_probs = (half[: len(tokens)].tolist() for half in recorded.chosen)
        return chosen, log_probs

    def record_all(self, rows: int) -> None:
        """
        Record every size up to `rows` rows, before anybody waits for it.

        The largest first, so that the others find room in its memory.
        """
        widths = {bucket(size, WIDTHS, self._cache.capacity) for size in WIDTHS}
        counts = {bucket(size, ROWS, rows) for size in ROWS}
        for width in sorted(widths, reverse=True):
            for count in sorted(counts, reverse=True):
                if (count, width) not in self._recorded:
                    self._record(count, width)

    def _record(self, rows: int, width: int) -> Recorded:
        device = self._model.device
        # A size first met in mid-decode is recorded while segments run, and recording writes to the cache: to the
        # last column of the width, where no running text has got yet.
        with torch.inference_mode():
            tokens = torch.zeros(rows, dtype=torch.long, device=device)
            positions = torch.full((rows,), width - 1, dtype=torch.long, device=device)

            def once() -> Chosen:
                hidden = self._model.step(tokens, positions, self._cache, width)
                return self._model.choose(hidden)

            replay, chosen = self._capture(once, device)
        recorded = Recorded(tokens, positions, replay, chosen)
        self._recorded[rows, width] = recorded
        return recorded
