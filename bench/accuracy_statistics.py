"""Statistics of `bench/accuracy_page.py`: errors of recordings, confidence intervals, word differences.  Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import jiwer
import numpy as np

from bench.digits import digits_in
from bench.wer import Errors, normalised, word_errors

_SAMPLES = 2_000
_SEED = 15


class Change(StrEnum):
    """What became of a stretch of the reference."""

    EQUAL = "equal"
    SUBSTITUTED = "substitute"
    DELETED = "delete"
    INSERTED = "insert"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Words of the reference and what was recognised in their place."""

    change: Change
    said: str
    heard: str


@dataclass(frozen=True, slots=True)
class Interval:
    """A rate with its 95 % confidence interval."""

    rate: float
    low: float
    high: float


def errors_of(reference: str, heard: str, language: str) -> Errors:
    """Word errors of one recording, both texts normalised."""
    return word_errors([(normalised(reference, language), normalised(heard, language))])


def digit_errors_of(reference: str, heard: str) -> Errors:
    """Errors of the digits of one recording, as digits or as English words; each counts as a word."""
    return word_errors([(" ".join(digits_in(reference)), " ".join(digits_in(heard)))])


def interval(found: Sequence[Errors]) -> Interval:
    """
    Error rate of many recordings, with a bootstrap over recordings (Bisani and Ney, ICASSP 2004).

    Words of one recording are not independent, so whole recordings are drawn.  Without words the rate is 0.
    """
    wrong = np.array([one.substituted + one.deleted + one.inserted for one in found])
    words = np.array([one.words for one in found])
    if not words.sum():
        return Interval(0.0, 0.0, 0.0)
    drawn = np.random.default_rng(_SEED).integers(0, len(found), (_SAMPLES, len(found)))
    rates = wrong[drawn].sum(axis=1) / np.maximum(1, words[drawn].sum(axis=1))
    low, high = np.quantile(rates, (0.025, 0.975))
    return Interval(float(wrong.sum() / words.sum()), float(low), float(high))


def difference(reference: str, heard: str, language: str) -> list[Stretch]:
    """The normalised texts, aligned word by word."""
    said, recognised = normalised(reference, language), normalised(heard, language)
    if not said or not recognised:
        change = Change.INSERTED if recognised else Change.DELETED
        return [Stretch(change, said, recognised)] if said or recognised else []
    one, other = said.split(), recognised.split()
    return [
        Stretch(
            Change(chunk.type),
            " ".join(one[chunk.ref_start_idx : chunk.ref_end_idx]),
            " ".join(other[chunk.hyp_start_idx : chunk.hyp_end_idx]),
        )
        for chunk in jiwer.process_words(said, recognised).alignments[0]
    ]
