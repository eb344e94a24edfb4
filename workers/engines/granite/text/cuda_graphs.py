"""
Decode steps as CUDA graphs.

An eager step launches about 340 small kernels one after another, and the GPU waits most of the time for the next
launch.  A graph launches them all at once, but only for the sizes with which it was recorded.  So rows and columns
are rounded up to a few sizes, and the surplus rows work on column 0 of unused slots.  A graph reads tokens and
positions where the step before has left them.

**`capture` has not run on a GPU yet.**  Everything else is tested on a CPU with another way of recording.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from .llm import KeyValues, LanguageModel
from .row_state import RowState, Tokens, to_host

ROWS = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
WIDTHS = (128, 256, 512, 1_024, 2_048, 4_096)


def bucket(size: int, sizes: Sequence[int], most: int) -> int:
    """The smallest of `sizes` that is at least `size`, but at most `most`."""
    place = bisect_left(sizes, size)
    return min(sizes[place] if place < len(sizes) else most, most)


NextTokens = tuple[torch.Tensor, torch.Tensor]
"""Tokens and their log-probabilities, each [rows]."""


@dataclass(frozen=True, slots=True)
class CapturedStep:
    """A recorded step of fixed size: call `replay`, read `chosen`."""

    replay: Callable[[], None]
    chosen: NextTokens


Capture = Callable[[Callable[[], NextTokens], torch.device], tuple[Callable[[], None], NextTokens]]
"""Records a function without arguments.  Returns a function that replays it, and the tensors of its results."""


class Graphs:
    """CUDA graphs that share one memory pool, because they never run at the same time."""

    def __init__(self) -> None:
        self._pool: torch.cuda._POOL_HANDLE | None = None

    def capture(
        self, act: Callable[[], NextTokens], device: torch.device
    ) -> tuple[Callable[[], None], NextTokens]:
        """See Capture.  Runs `act` twice before recording, on a separate stream, as CUDA requires."""
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
    """Steps by replaying graphs.  A graph is recorded when its size is first needed, preferably at warm-up."""

    def __init__(
        self, model: LanguageModel, cache: KeyValues, capture: Capture | None = None
    ) -> None:
        self._model, self._cache = model, cache
        self._capture = capture or Graphs().capture
        self.state = RowState(cache.slots, model.device)
        self._recorded: dict[tuple[int, int], CapturedStep] = {}

    def queue(self, rows: int, width: int) -> Callable[[], Tokens]:
        """See Stepper."""
        size = (bucket(rows, ROWS, self._cache.slots), bucket(width, WIDTHS, self._cache.capacity))
        recorded = self._recorded.get(size) or self._record(*size)
        with torch.inference_mode():
            recorded.replay()
            chosen, log_probs = (half[:rows] for half in recorded.chosen)
            self.state.advance(chosen)
            return to_host(chosen, log_probs)

    def record_all(self, rows: int) -> None:
        """
        Record every size up to `rows` rows, at warm-up.

        The largest is recorded first, so that the others fit into its memory.
        """
        widths = {bucket(size, WIDTHS, self._cache.capacity) for size in WIDTHS}
        counts = {bucket(size, ROWS, rows) for size in ROWS}
        for width in sorted(widths, reverse=True):
            for count in sorted(counts, reverse=True):
                if (count, width) not in self._recorded:
                    self._record(count, width)

    def _record(self, rows: int, width: int) -> CapturedStep:
        # A size first needed during decoding is recorded while segments run.  Recording writes to the cache, so it
        # uses the last column of the width, which no running text has reached.
        with torch.inference_mode():
            positions = self.state.positions[:rows]
            before = positions.clone()
            positions.fill_(width - 1)

            def once() -> NextTokens:
                hidden = self._model.step(self.state.tokens[:rows], positions, self._cache, width)
                return self._model.choose(hidden)

            replay, chosen = self._capture(once, self._model.device)
            positions.copy_(before)
        recorded = CapturedStep(replay, chosen)
        self._recorded[rows, width] = recorded
        return recorded
