"""Recording of operations of fixed sizes as CUDA graphs, and rounding of sizes up to a few ones."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

Tensors = tuple[torch.Tensor, ...]


def bucket(size: int, sizes: Sequence[int], most: int) -> int:
    """The smallest of `sizes` that is at least `size`, but at most `most`."""
    place = bisect_left(sizes, size)
    return min(sizes[place] if place < len(sizes) else most, most)


@dataclass(frozen=True, slots=True)
class Recorded:
    """Recorded operations: call `replay`, read `results`, which the next replay overwrites."""

    replay: Callable[[], None]
    results: Tensors


Capture = Callable[[Callable[[], Tensors], torch.device], tuple[Callable[[], None], Tensors]]
"""Records a function without arguments.  Returns a function that replays it, and the tensors of its results."""


class Graphs:
    """CUDA graphs that share one memory pool, because they never run at the same time."""

    def __init__(self) -> None:
        self._pool: torch.cuda._POOL_HANDLE | None = None

    def capture(
        self, act: Callable[[], Tensors], device: torch.device
    ) -> tuple[Callable[[], None], Tensors]:
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
