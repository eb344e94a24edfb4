"""What the GPU does to a process, in words that say what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..base import EngineBrokenError, EngineError


def device_named(name: str) -> torch.device:
    """The device to run on; `auto` takes a GPU where there is one.  EngineError when there is none of that name."""
    found = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if found else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as exc:
        raise EngineError(f"granite.device: {name!r} is no device: cpu, cuda, cuda:1 ...") from exc
    if device.type == "cuda" and not (found and (device.index or 0) < torch.cuda.device_count()):
        raise EngineError(f"granite.device: there is no GPU {name!r} here")
    return device


@contextmanager
def blaming_the_device() -> Iterator[None]:
    """
    Errors of the device become EngineBrokenError, ours stay what they are.

    A CUDA error sticks to its process: everything after it fails too, so the process has to end.  Out of memory
    is met where a batch can be halved; what gets here is more than that.
    """
    try:
        yield
    except torch.OutOfMemoryError as exc:
        raise EngineBrokenError(
            "out of GPU memory: lower TRUNKLINE_GRANITE_MAX_BATCH, or see what else uses the GPU"
        ) from exc
    except RuntimeError as exc:
        if "CUDA" in str(exc) or type(exc).__name__ == "AcceleratorError":
            line = str(exc).splitlines()[0]
            raise EngineBrokenError(
                f"the GPU gave up, the process must be started anew: {line}"
            ) from exc
        raise
