"""
The newest token of each running segment, and its place, on the device.

A step reads them there and leaves its result there, so that the next step can be queued before the host has read
the tokens of this one.
"""

from collections.abc import Callable, Sequence

import torch

from ..own_stream import HostCopy

Tokens = tuple[list[int], list[float]]
"""One token for each row, and its log-probability."""


class RowState:
    """Tokens and positions (columns of the cache) of the rows of a batch."""

    def __init__(self, slots: int, device: torch.device) -> None:
        self.tokens = torch.zeros(slots, dtype=torch.long, device=device)
        self.positions = torch.zeros(slots, dtype=torch.long, device=device)

    def begin(self, first: int, tokens: Sequence[int], positions: Sequence[int]) -> None:
        """Set the rows from `first` on."""
        with torch.inference_mode():
            rows = slice(first, first + len(tokens))
            self.tokens[rows].copy_(torch.tensor(list(tokens)))
            self.positions[rows].copy_(torch.tensor(list(positions)))

    def advance(self, chosen: torch.Tensor) -> None:
        """Make `chosen` [rows] the newest tokens of the first rows."""
        rows = len(chosen)
        self.tokens[:rows].copy_(chosen)
        self.positions[:rows].add_(1)

    def move(self, source: int, target: int) -> None:
        """Copy a row to another one."""
        with torch.inference_mode():
            for one in (self.tokens, self.positions):
                one[target].copy_(one[source])

    def free(self, first: int = 0) -> None:
        """Let the rows from `first` on point to column 0: a step may include rows without a segment."""
        with torch.inference_mode():
            self.positions[first:].zero_()


def to_host(tokens: torch.Tensor, log_probs: torch.Tensor) -> Callable[[], Tokens]:
    """Start to copy tokens and their log-probabilities to the host.  Returns a function that waits for the copy."""
    copy = HostCopy((tokens, log_probs))

    def wait() -> Tokens:
        there = copy.read()
        return there[0].tolist(), there[1].tolist()

    return wait
