"""Checks of an utterance before the engine takes it."""

import numpy as np

from ...base import EngineError, Utterance
from ..acoustic.mel import RATE
from ..text.prompts import UntrainedTaskError, refuse_untrained


def check_utterance(utterance: Utterance, max_seconds: float) -> None:
    """Raise EngineError if the samples or the task of an utterance are invalid, or if it is too long."""
    samples = utterance.samples
    if samples.ndim != 1 or samples.dtype != np.float32:
        raise EngineError("samples must be one channel of 32-bit floats")
    if len(samples) > max_seconds * RATE:
        raise EngineError(f"at most {max_seconds:g} s: cut the segment first")
    if not np.isfinite(samples).all():
        raise EngineError("the samples contain NaN or infinity")
    try:
        refuse_untrained(utterance.language, utterance.translate_to)
    except UntrainedTaskError as exc:
        raise EngineError(str(exc)) from exc
