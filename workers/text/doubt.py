"""Whether a draft is doubtful: its speaker has probably not finished.  Pure."""

from collections.abc import Sequence

from ..engines.base import RecognisedWord

_LEAST = 0.8
"""
Probability of the last word, calibrated, below which a draft is doubtful.

A word that stands before a pause within a sentence is often completed wrongly, and the engine is not sure of it:
`bench/slow_speakers.py` and docs/benchmarks.md.
"""


def is_doubtful(words: Sequence[RecognisedWord]) -> bool:
    """Whether the last word is improbable.  Without words, or without probabilities, nothing is doubtful."""
    last = words[-1].confidence if words else None
    return last is not None and last < _LEAST
