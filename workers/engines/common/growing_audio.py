"""Audio of an utterance that comes again, longer.  Pure."""

import numpy as np

from ..base import Samples

_TOLERANCE = 4 / 32_768
"""Largest difference of equal samples: resampling rounds differently when more audio follows."""


def continues(before: Samples, samples: Samples) -> bool:
    """Whether `samples` begin with those that were heard `before`."""
    size = len(before)
    return len(samples) >= size and bool(
        np.allclose(samples[:size], before, rtol=0.0, atol=_TOLERANCE)
    )
