"""Word error rate: Whisper's English normaliser, then the Levenshtein distance."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import jiwer


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Word errors of a hypothesis against its reference."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    reference: int = 0
    """Number of words in the reference."""

    @property
    def rate(self) -> float:
        """Errors per word of the reference; 0 if the reference is empty."""
        errors = self.substitutions + self.deletions + self.insertions
        return errors / self.reference if self.reference else 0.0

    def __add__(self, other: "WordErrors") -> "WordErrors":
        """Return the sum of both counts."""
        return WordErrors(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.reference + other.reference,
        )


def word_errors(reference: str, hypothesis: str) -> WordErrors:
    """Count word errors of two English texts, ignoring case, punctuation, spelling variants and number format."""
    wanted, heard = normalise(reference), normalise(hypothesis)
    if not wanted:
        return WordErrors(insertions=len(heard.split()))
    counted: Any = jiwer.process_words(wanted, heard)
    return WordErrors(
        counted.substitutions, counted.deletions, counted.insertions, len(wanted.split())
    )


def normalise(text: str) -> str:
    """Normalise an English text as the Whisper paper does (Radford et al. 2022, appendix C)."""
    return str(_normaliser()(text))


@cache
def _normaliser() -> Any:  # noqa: ANN401  # the package ships no types
    from whisper_normalizer.english import EnglishTextNormalizer  # noqa: PLC0415  # a second to import

    return EnglishTextNormalizer()
