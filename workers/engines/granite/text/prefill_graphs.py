"""
The prefill of short prompts as CUDA graphs.

Prompts are filled up on the right to a few lengths, and their number to a few ones; the causal mask hides what is
behind a prompt.  A graph has fixed addresses, so it writes keys and values to a cache of its own, from which they
are copied to the slots of the rows.  Longer prompts keep the GPU busy without graphs and are not filled up.

**No GPU has run it yet**: on a CPU it is tested with another way of recording.
"""

from collections.abc import Sequence

import structlog
import torch

from ...common.memory import is_out_of_memory
from ..recording import Capture, Graphs, Recorded, bucket
from .llm import KeyValues, LanguageModel, Packing

logger = structlog.get_logger()

ROWS = (1, 2, 4, 8)
LENGTHS = (64, 128, 256, 512)
MOST_TOKENS = 1_024
"""Tokens of one graph, at most: more tokens take longer than the launches of their kernels."""


def sizes(slots: int, capacity: int) -> list[tuple[int, int]]:
    """All recorded numbers and lengths of prompts, for a cache of `slots` segments of `capacity` tokens."""
    return [
        (rows, length)
        for rows in ROWS
        for length in LENGTHS
        if rows <= slots and length <= capacity and rows * length <= MOST_TOKENS
    ]


class PrefillGraphs:
    """Prefill by replaying graphs where one fits, else as `LanguageModel.prefill`."""

    def __init__(
        self, model: LanguageModel, cache: KeyValues, capture: Capture | None = None
    ) -> None:
        self._model, self._cache = model, cache
        self._capture = capture or Graphs().capture
        self._own = model.cache(1, MOST_TOKENS)
        self._recorded: dict[tuple[int, int], tuple[torch.Tensor, Recorded]] = {}

    @property
    def recorded(self) -> int:
        """Number of recorded sizes."""
        return len(self._recorded)

    def record_all(self) -> None:
        """Record every size, the largest first.  On failure log `cuda_graphs_failed`, and record none."""
        try:
            for size in reversed(sizes(self._cache.slots, self._cache.capacity)):
                self._record(*size)
        except Exception as exc:
            if is_out_of_memory(exc):
                raise
            self._recorded.clear()
            logger.warning("cuda_graphs_failed", error=type(exc).__name__)

    def prefill(
        self, rows: Sequence[torch.Tensor], slots: range, cache: KeyValues
    ) -> list[torch.Tensor]:
        """See LanguageModel.  The next call overwrites the results."""
        longest = max(len(row) for row in rows)
        size = (
            bucket(len(rows), ROWS, self._cache.slots),
            bucket(longest, LENGTHS, self._cache.capacity),
        )
        found = self._recorded.get(size)
        if found is None:
            return self._model.prefill(rows, slots, cache)
        prompts, recorded = found
        prompts.zero_()
        for prompt, row in zip(prompts, rows, strict=False):
            prompt[: len(row)] = row
        recorded.replay()
        mine = self._view(*size)
        window = (slice(None), slice(slots[0], slots[-1] + 1), slice(size[1]))
        cache.keys[window] = mine.keys[:, : len(rows)]
        cache.values[window] = mine.values[:, : len(rows)]
        states = recorded.results[0].unflatten(0, size)
        return [state[: len(row)] for state, row in zip(states, rows, strict=False)]

    def _view(self, rows: int, length: int) -> KeyValues:
        """The own cache as one of `rows` segments of `length` tokens."""
        keys, values = (
            half[:, 0, : rows * length].unflatten(1, (rows, length))
            for half in (self._own.keys, self._own.values)
        )
        return KeyValues(keys, values, self._own.arrivals)

    def _record(self, rows: int, length: int) -> None:
        model, mine = self._model, self._view(rows, length)
        prompts = model.embed([0] * rows * length).view(rows, length, -1).clone()
        packing = Packing.of([length] * rows, range(rows), length, model.device)
        with torch.inference_mode():
            recorded = Recorded(
                *self._capture(
                    lambda: (
                        model.prefill_packed(prompts.flatten(0, 1), packing, range(rows), mine),
                    ),
                    model.device,
                )
            )
        self._recorded[rows, length] = prompts, recorded
