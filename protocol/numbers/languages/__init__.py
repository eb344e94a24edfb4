"""The lexicons, one module for each language."""

from collections.abc import Mapping

from ..lexicon import Lexicon
from . import de, en, es, fr, it, nl, pt

LEXICONS: Mapping[str, Lexicon] = {
    one.LEXICON.language: one.LEXICON for one in (de, en, es, fr, it, nl, pt)
}
"""Lexicons by ISO 639 code."""

SUPPORTED = frozenset(LEXICONS)
"""Languages whose number words are known. In other languages only digits are found."""

DIGITS_ONLY = Lexicon("", {})
"""The lexicon of a language that is not supported."""


def lexicon_of(language: str) -> Lexicon:
    """The lexicon of a language; one without words if the language is not supported."""
    return LEXICONS.get(language, DIGITS_ONLY)
