"""
Converts the stored audio of a segment to the samples that engines take.  Pure.

soxr HQ is flat to 3.7 kHz, without images of the telephone band above 4 kHz, so that an engine trained on wide-band
speech receives a clean narrow band.  tests/workers/test_upsampling.py measures it.
"""

import numpy as np
import soxr

from protocol.audio import Pcm
from protocol.clock import CALL_RATE, ENGINE_RATE

from .engines.base import Samples

_FULL_SCALE = np.float32(32_768)


def engine_samples(pcm: Pcm, rate: int = CALL_RATE) -> Samples:
    """
    Convert a whole segment: int16 `[n]` at `rate` Hz, 8000 or 16000, to float32 at 16 kHz, in steps of 16 bits.

    The result depends on nothing but the samples; 8 kHz become exactly twice as many.  Conversion takes 0.1 ms for
    a second of audio (docs/benchmarks.md), so each partial converts its segment from the start.
    """
    if rate == ENGINE_RATE or not len(pcm):
        return pcm.astype(np.float32) / _FULL_SCALE
    wide = soxr.resample(pcm.astype(np.float32), rate, ENGINE_RATE, quality=soxr.HQ)
    rounded: Samples = np.rint(wide).clip(-32_768, 32_767)
    return rounded / _FULL_SCALE
