"""Warm-up between loading and readiness: timing of drafts, and a canary segment."""

from collections.abc import Callable

import numpy as np
import torch

from ..base import EngineBrokenError, Samples
from .acoustic.mel import RATE
from .model import LoadedModel
from .text.decode import BatchDecoder, DecodeRow
from .text.prompts import GRANITE_4_0
from .text.speculative import Cost

STEPS = 3
"""Decode steps that are timed together."""

DRAFT_SAMPLE = 24
"""Length of the timed drafts in tokens: about 7 s of speech."""


def measure(
    parts: LoadedModel, decoder: BatchDecoder, rows: int, clock: Callable[[], float]
) -> Cost:
    """
    Time a decode step, and a prefill with and without drafts, for `rows` segments of 5 s.

    `clock`: returns a monotonic time in seconds.
    """
    heard = parts.frontend.encode([parts.frontend.whole(_canary_audio(5.0))])
    prompt = parts.prompts.prompt(parts.frontend.audio_tokens(heard)[0], GRANITE_4_0.transcribe, ())
    words = tuple(parts.prompts.tokens.encode(" one two three" * 12)[:DRAFT_SAMPLE])

    def timed(act: Callable[[], object]) -> float:
        before = clock()
        act()  # ends with a copy to the host: the device has finished
        return clock() - before

    def prefill(draft: tuple[int, ...]) -> float:
        spent = timed(
            lambda: decoder.admit([DecodeRow(row, prompt, 1_000, draft) for row in range(rows)])
        )
        decoder.step()  # queues a step; each later call waits for the one before
        steps.append(timed(lambda: [decoder.step() for _ in range(STEPS)]) / STEPS)
        decoder.withdraw()
        return spent

    steps: list[float] = []
    prefill(words)
    plain = min(prefill(()) for _ in range(3))
    drafted = min(prefill(words) for _ in range(3))
    return Cost(rows, min(steps), max(0.0, drafted - plain) / len(words))


def run_canary(parts: LoadedModel, decoder: BatchDecoder, seconds: float) -> None:
    """
    Run one synthetic segment of `seconds` through every part, and check that all results are finite numbers.

    With the longest segment it also shows that each segment fits into memory alone.  Raises EngineBrokenError if
    the results are no numbers.
    """
    heard = parts.frontend.encode([parts.frontend.whole(_canary_audio(seconds))])
    prompt = parts.prompts.prompt(
        parts.frontend.audio_tokens(heard)[0],
        GRANITE_4_0.transcribe,
        (),
    )
    decoder.admit([DecodeRow(-1, prompt, 4)])
    written = decoder.step()
    while decoder.running:
        written += decoder.step()
    scores = [score for text in written for score in text.log_probs]
    if not bool(torch.isfinite(heard[0].log_probs).all()) or not np.isfinite(scores).all():
        raise EngineBrokenError(
            "the warm-up segment gave NaN values: the model files or the GPU are damaged"
        )


def _canary_audio(seconds: float) -> Samples:
    """A voice-like sound: harmonics of a varying pitch, four syllables a second; float32, `[n]`, at 16 kHz."""
    time_line = np.arange(round(seconds * RATE)) / RATE
    turns = 2 * np.pi * np.cumsum(140 + 40 * np.sin(2 * np.pi * time_line)) / RATE
    voice = sum(np.sin(turns * harmonic) / harmonic for harmonic in range(1, 12))
    return (0.05 * voice * (1 + np.sin(8 * np.pi * time_line))).astype(np.float32)
