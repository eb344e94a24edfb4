"""
The encoder as CUDA graphs: short batches take as long as the launches of their kernels.

Frames and attention blocks of a batch are filled up to a few sizes, with frames that belong to no clip and stand in
a block of their own: results are those without them.  Longer batches keep the GPU busy without graphs and run
eagerly.  The graphs are replayed on the stream of the encoder, beside the decode steps, and have a memory pool of
their own.

**No GPU has run it yet**: on a CPU it is tested with another way of recording.
"""

from collections.abc import Sequence

import structlog
import torch

from ...common.memory import is_out_of_memory
from ..recording import Capture, Graphs, Recorded, Tensors
from .encoder import Layout, RaggedEncoder

logger = structlog.get_logger()

FRAMES = (128, 256, 512, 1_024, 2_048, 4_096)
BLOCKS = (2, 4, 8, 16, 32, 64)

_LEAST_FRAMES = 32
"""Frames of a block on average, at least; batches of shorter clips run eagerly."""

_BANDS = 160

Size = tuple[int, int]
"""Frames and attention blocks."""


def sizes(context: int) -> list[Size]:
    """All sizes that are recorded, in ascending order; `context`: frames of a block."""
    return [
        (frames, blocks)
        for frames in FRAMES
        for blocks in BLOCKS
        if frames <= blocks * context and blocks <= max(2, frames // _LEAST_FRAMES)
    ]


class EncoderGraphs:
    """Recorded passes of one encoder."""

    def __init__(
        self, encoder: RaggedEncoder, device: torch.device, capture: Capture | None = None
    ) -> None:
        self._encoder, self._device = encoder, device
        self._capture = capture or Graphs().capture
        self._recorded: dict[Size, tuple[torch.Tensor, Layout, Recorded]] = {}

    def record_all(self) -> None:
        """Record every size, the largest first.  On failure log `cuda_graphs_failed`, and record none."""
        try:
            for size in reversed(sizes(self._encoder.context)):
                self._record(*size)
        except Exception as exc:
            if is_out_of_memory(exc):
                raise
            self._recorded.clear()
            logger.warning("cuda_graphs_failed", error=type(exc).__name__)

    def run(self, features: Sequence[torch.Tensor]) -> Tensors | None:
        """
        Hidden states and CTC log-probabilities of packed clips, each [frames, ...]; None if no size fits.

        `features`: see RaggedEncoder.hidden.
        """
        layout = self._encoder.layout([len(clip) for clip in features], full=True)
        size = self._size(layout)
        if size is None:
            return None
        packed, places, recorded = self._recorded[size]
        torch.cat(list(features), out=packed[: layout.frames])
        places.become(layout.filled(*size, self._encoder.gap))
        recorded.replay()
        hidden, log_probs = (one[: layout.frames].clone() for one in recorded.results)
        return hidden, log_probs

    def _size(self, layout: Layout) -> Size | None:
        fitting = (
            (frames, blocks)
            for frames, blocks in self._recorded
            if frames >= layout.frames and blocks > len(layout.real)
        )
        return min(fitting, default=None)

    def _record(self, frames: int, blocks: int) -> None:
        encoder = self._encoder
        packed = torch.zeros(frames, _BANDS, device=self._device)
        layout = encoder.layout([1], full=True).filled(frames, blocks, encoder.gap)

        def once() -> Tensors:
            hidden = encoder.packed(packed, layout)
            return hidden, encoder.scores(hidden)

        with torch.inference_mode():
            recorded = Recorded(*self._capture(once, self._device))
        self._recorded[frames, blocks] = packed, layout, recorded
