"""Choice of the device, and translation of GPU errors into errors that name the remedy."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..base import EngineBrokenError, EngineError, EngineMemoryError
from ..common.memory import is_out_of_memory


def device_named(name: str) -> torch.device:
    """The device called `name`; `auto` takes a GPU if there is one.  Raises EngineError for an unknown device."""
    found = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if found else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as exc:
        raise EngineError(f"granite.device: {name!r} is no device: cpu, cuda, cuda:1 ...") from exc
    if device.type == "cuda" and not (found and (device.index or 0) < torch.cuda.device_count()):
        raise EngineError(f"granite.device: this machine has no GPU {name!r}")
    return device


@contextmanager
def translate_device_errors() -> Iterator[None]:
    """
    Translate errors of the device into EngineBrokenError; pass on all other errors.

    After a CUDA error every later call of the process fails too, so the process must end.  The engine handles out
    of memory by halving its batch; such an error arrives here only when that did not help, or outside of a batch.
    """
    try:
        yield
    except EngineBrokenError:
        raise
    except Exception as exc:
        if is_out_of_memory(exc):
            raise EngineMemoryError(
                "out of memory: lower TRUNKLINE_GRANITE_MAX_BATCH, or see what else uses the GPU or the memory"
            ) from exc
        if isinstance(exc, RuntimeError) and _is_of_gpu(exc):
            line = str(exc).splitlines()[0]
            raise EngineBrokenError(f"the GPU failed, restart the worker process:  {line}") from exc
        raise


def _is_of_gpu(exc: RuntimeError) -> bool:
    return "CUDA" in str(exc) or type(exc).__name__ == "AcceleratorError"
