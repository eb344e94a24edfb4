"""Keywords of a call that a final probably should have: its text sounds like them, in other letters.  Pure."""

from collections.abc import Sequence

from protocol.calls.keywords import name_parts

from ..engines.common.near_misses import Compared, compared
from .ordinary_words import ORDINARY

_LEAST_LIKENESS, _LEAST_LETTERS = 85.0, 50.0
"""
Of 100.  By sound alone, `took` is near `Dock`.  The texts of 138 recordings and 105 names that
are not in them have no near one.
"""


def near_terms(
    words: Sequence[str], keywords: Sequence[str], language: str = ""
) -> tuple[str, ...]:
    """
    The keywords that `words` sound like and do not contain, in the order of the list; a part of a name counts.

    `language`: ISO 639, of the words.
    Ordinary English words are never taken for a misspelled name.
    """
    candidates = tuple(keywords)
    found = _compared(candidates, words, language)
    if not found.near:
        return ()
    rare = [word if _bare(word) not in ORDINARY else "" for word in words]
    again = _compared((*found.near, *found.written), rare, language)
    near = {*again.near} & {*found.near}
    written = set(found.written)
    return tuple(
        term
        for term in candidates
        if term not in written and not near.isdisjoint((term, *name_parts(term)))
    )


def _compared(terms: tuple[str, ...], words: Sequence[str], language: str) -> Compared:
    return compared(terms, words, _LEAST_LIKENESS, least_letters=_LEAST_LETTERS, language=language)


def _bare(word: str) -> str:
    return "".join(sign for sign in word.casefold() if sign.isalpha())
