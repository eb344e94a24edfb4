"""
From the probabilities that a model gives its tokens to the probability that a word is right.

A model is too sure of some words and not sure enough of others.  A logistic map of two values, fitted by
`bench/confidence.py` to recordings with texts, corrects this: of all words with a confidence of 0.9, nine in ten
are right.  Pure.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

_LEAST, _MOST = 1e-4, 1.0 - 1e-4
"""Probabilities beyond these count as these: their logarithms differ, their meaning does not."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The constants of a map: logistic(`offset` + `word` * log-odds + `segment` * mean log-probability)."""

    offset: float
    word: float
    segment: float

    def confidence(self, probability: float, segment: float) -> float:
        """
        The probability that a word is right, 0 to 1.

        `probability`: product of the probabilities of its tokens.  `segment`: mean of the logarithms of that over
        all words of its utterance, at most 0.
        """
        odds, mean = self.terms(probability, segment)
        return 1 / (1 + math.exp(-(self.offset + self.word * odds + self.segment * mean)))

    @staticmethod
    def terms(probability: float, segment: float) -> tuple[float, float]:
        """The two values that are weighted: log-odds of the word, mean log-probability of the segment."""
        bounded = min(max(probability, _LEAST), _MOST)
        return math.log(bounded / (1 - bounded)), max(segment, math.log(_LEAST))


UNCALIBRATED = Calibration(offset=0.0, word=1.0, segment=0.0)
"""Changes nothing: to collect words for a new fit."""


def features(probabilities: Sequence[float]) -> Iterator[tuple[float, float]]:
    """For each word of an utterance its probability and the mean log-probability of the utterance."""
    if probabilities:
        mean = fmean(math.log(max(probability, _LEAST)) for probability in probabilities)
        yield from ((probability, mean) for probability in probabilities)
