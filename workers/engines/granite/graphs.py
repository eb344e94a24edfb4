"""
Decode steps as CUDA graphs.

An eager step starts about 400 small kernels one after another, and the GPU waits for the next start most of the
time.  A graph starts them all at once, but only for the sizes it was recorded with: so rows and columns are
rounded up to a few sizes, and the rows that are too many work on column 0 of slots that nobody uses.

**No GPU has run this file yet.**  The bucket arithmetic is pure and tested; the recording is not.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .llm import KeyValues, LanguageModel

ROWS = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
WIDTHS = (128, 256, 512, 1_024, 2_048, 4_096)


def bucket(size: int, sizes: Sequence[int], most: int) -> int:
    """The smallest of `sizes` that holds `size`, never more than `most`."""
    place = bisect_left(sizes, size)
    return min(sizes[place] if place < len(sizes) else most, most)


@dataclass(frozen=True, slots=True)
class _Recorded:
    graph: torch.cuda.CUDAGraph
    tokens: torch.Tensor
    positions: torch.Tensor
    chosen: torch.Tensor
    log_probs: torch.Tensor


class GraphStepper:
    """Steps by replaying graphs; one is recorded for each size when it is first met, best during warm-up."""

    def __init__(self, model: LanguageModel, cache: KeyValues) -> None:
        self._model, self._cache = model, cache
        self._recorded: dict[tuple[int, int], _Recorded] = {}
        self._pool: object | None = None

    def step(
        self, tokens: Sequence[int], positions: Sequence[int]
    ) -> tuple[list[int], list[float]]:
        """See Stepper."""
        rows = bucket(len(tokens), ROWS, self._cache.slots)
        width = bucket(max(positions) + 1, WIDTHS, self._cache.capacity)
        recorded = self._recorded.get((rows, width)) or self._record(rows, width)
        spare = [0] * (rows - len(tokens))
        recorded.tokens.copy_(torch.tensor([*tokens, *spare]), non_blocking=True)
        recorded.positions.copy_(torch.tensor([*positions, *spare]), non_blocking=True)
        recorded.graph.replay()
        chosen = recorded.chosen[: len(tokens)].tolist()
        return chosen, recorded.log_probs[: len(tokens)].tolist()

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

    def _record(self, rows: int, width: int) -> _Recorded:
        device = self._model.device
        # A size first met in mid-decode is recorded while segments run.  Running the step for a recording writes
        # to the cache; at the last column, which no text may reach, that hurts nobody.
        tokens = torch.zeros(rows, dtype=torch.long, device=device)
        positions = torch.full((rows,), width - 1, dtype=torch.long, device=device)
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side), torch.inference_mode():
            for _ in range(2):
                self._once(tokens, positions, width)
        torch.cuda.current_stream(device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool), torch.inference_mode():
            chosen, log_probs = self._once(tokens, positions, width)
        self._pool = self._pool or graph.pool()
        recorded = _Recorded(graph, tokens, positions, chosen, log_probs)
        self._recorded[rows, width] = recorded
        return recorded

    def _once(
        self, tokens: torch.Tensor, positions: torch.Tensor, width: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return self._model.choose(self._model.step(tokens, positions, self._cache, width))
