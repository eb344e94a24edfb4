"""Recognises the errors that mean too little memory, whichever library raises them."""

import errno
from collections.abc import Callable

from ..base import EngineBrokenError, EngineError, EngineMemoryError

_TEXTS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "failed to allocate memory",
    "alloc_failed",
    "bad_alloc",
    "can't start new thread",
)
"""CUDA and ctranslate2; torch on a CPU; numpy and the C library; onnxruntime; cuBLAS and cuDNN; C++; Python."""


def is_out_of_memory(exc: BaseException) -> bool:
    """
    Whether `exc` means that memory could not be allocated, on the host or on a GPU.

    Errors of engines are not read: they say themselves whose fault they are.
    """
    if isinstance(exc, MemoryError | EngineMemoryError):
        return True
    if isinstance(exc, OSError):
        return exc.errno == errno.ENOMEM
    if not isinstance(exc, Exception) or isinstance(exc, EngineError | EngineBrokenError):
        return False
    said = str(exc).casefold()
    return any(text in said for text in _TEXTS)


def memory_error(probe: Callable[[], object]) -> EngineBrokenError:
    """
    The error to raise after one utterance alone did not fit into memory.

    `probe` does the same work for as much silence.  The utterance is suspected only if that fits; otherwise the
    result is an EngineMemoryError.
    """
    try:
        probe()
    except Exception as exc:  # noqa: BLE001  # of any library: the caller raises ours
        if is_out_of_memory(exc):
            return EngineMemoryError(
                "out of memory with a batch of one utterance, and with as much silence"
            )
    return EngineBrokenError("out of memory with a batch of one utterance")
