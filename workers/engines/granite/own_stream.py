"""Work of the device beside the decode steps, and results that are fetched without waiting for other work."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch


class HostCopy:
    """
    A copy of tensors to the host, which begins now.

    The tensors may be overwritten by operations that are queued later on the same stream.
    """

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        self._copied: torch.cuda.Event | None = None
        if not tensors[0].is_cuda:
            self._there = [one.clone() for one in tensors]
            return
        self._there = [
            torch.empty(one.shape, dtype=one.dtype, pin_memory=True).copy_(one, non_blocking=True)
            for one in tensors
        ]
        self._copied = torch.cuda.Event()
        self._copied.record()

    @property
    def ready(self) -> bool:
        """Whether `read` returns without waiting."""
        return self._copied is None or bool(self._copied.query())

    def read(self) -> list[torch.Tensor]:
        """Wait for the copy, and return it."""
        if self._copied is not None:
            self._copied.synchronize()
        return self._there


class OwnStream:
    """A stream of a GPU for work that must not wait for the decode steps, nor they for it.  On a CPU: nothing."""

    def __init__(self, device: torch.device) -> None:
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)
            self._stream.wait_stream(torch.cuda.current_stream(device))  # the weights are there

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Queue the operations of the block on this stream."""
        if self._stream is None:
            yield
            return
        with torch.cuda.stream(self._stream):
            yield

    def hand_over(self, tensors: Iterable[torch.Tensor]) -> None:
        """Let the current stream wait for this one, and use `tensors`, which were made here."""
        if self._stream is None:
            return
        current = torch.cuda.current_stream(self._stream.device)
        current.wait_stream(self._stream)
        for one in tensors:
            one.record_stream(current)
