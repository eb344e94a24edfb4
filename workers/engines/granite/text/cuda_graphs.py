"""
Decode steps as CUDA graphs.

An eager step launches about 340 small kernels one after another, and the GPU waits most of the time for the next
launch.  A graph launches them all at once, but only for the sizes with which it was recorded.  So rows and columns
are rounded up to a few sizes, and the surplus rows work on column 0 of unused slots.  A graph reads tokens and
positions where the step before has left them.

**`recording.Graphs` has not run on a GPU yet.**  Everything else is tested on a CPU with another way of recording.
"""

from collections.abc import Callable

import structlog
import torch

from ...common.memory import is_out_of_memory
from ..recording import Capture, Graphs, Recorded, bucket
from .decode import EagerStepper, Stepper
from .llm import KeyValues, LanguageModel
from .row_state import RowState, Tokens, to_host

logger = structlog.get_logger()

ROWS = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
WIDTHS = (128, 256, 512, 1_024, 2_048, 4_096)


NextTokens = tuple[torch.Tensor, torch.Tensor]
"""Tokens and their log-probabilities, each [rows]."""


class GraphStepper:
    """Steps by replaying graphs.  A graph is recorded when its size is first needed, preferably at warm-up."""

    def __init__(
        self, model: LanguageModel, cache: KeyValues, capture: Capture | None = None
    ) -> None:
        self._model, self._cache = model, cache
        self._capture = capture or Graphs().capture
        self.state = RowState(cache.slots, model.device)
        self._recorded: dict[tuple[int, int], Recorded] = {}

    def queue(self, rows: int, width: int) -> Callable[[], Tokens]:
        """See Stepper."""
        size = (bucket(rows, ROWS, self._cache.slots), bucket(width, WIDTHS, self._cache.capacity))
        recorded = self._recorded.get(size) or self._record(*size)
        with torch.inference_mode():
            recorded.replay()
            chosen, log_probs = (half[:rows] for half in recorded.results)
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

    def _record(self, rows: int, width: int) -> Recorded:
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
        recorded = Recorded(replay, chosen)
        self._recorded[rows, width] = recorded
        return recorded


def stepper_for(
    model: LanguageModel, cache: KeyValues, rows: int, capture: Capture | None = None
) -> Stepper:
    """
    Record the steps of up to `rows` rows.  If that fails, log `cuda_graphs_failed` and return eager steps.

    Raises errors about memory: eager steps would meet them later.
    """
    recorded = GraphStepper(model, cache, capture)
    try:
        recorded.record_all(rows)
    except Exception as exc:
        if is_out_of_memory(exc):
            raise
        logger.warning("cuda_graphs_failed", error=type(exc).__name__)
        return EagerStepper(model, cache)
    return recorded
