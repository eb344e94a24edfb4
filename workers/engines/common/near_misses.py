"""
Find the keywords that a text sounds like, although it does not contain them.

Pure.  An engine writes a name that it does not know with other letters, but seldom with other sounds: where the
text has `Quilen`, and `Quillon` is in the list, the name was probably said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from protocol.calls.keywords import name_parts

from .keyword_ranking import SearchKeys, likenesses, search_keys, windows_of

EXACT = 99.9
"""Likeness, of 100, from which a window of words is the term itself."""

_LISTS_KEPT = 16


@dataclass(frozen=True, slots=True)
class Compared:
    """The terms and parts of names that occur in a text, and those that only sound like a part of it."""

    written: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    """Those that sound most like it first."""


def compared(
    terms: tuple[str, ...],
    words: Sequence[str],
    least: float,
    *,
    least_letters: float = 0.0,
    most: int = 20,
    language: str = "",
) -> Compared:
    """
    Compare `words` with `terms` and the parts of names among them.

    `least`: likeness from which a term counts as near, 0 to 100; `least_letters`: the same for its letters alone;
    `most`: most near terms, those that sound most like the text; `language`: of the words (see `windows_of`).
    Words that are part of a written term are not near another one.  The work is bounded by the length of a segment:
    about 25 ms for 5,000 terms and 15 seconds of speech, and 80 ms when a list is new.
    """
    keys, windows = keys_of(terms), windows_of(words, language)
    if not windows or not keys.terms:
        return Compared()
    spelled = [window.letters for window in windows]
    likeness = likenesses(keys, spelled, least_letters=least_letters)
    exact = np.asarray(likeness >= EXACT)
    written = tuple(keys.terms[place] for place in np.flatnonzero(exact.any(axis=1)).tolist())
    heard = [windows[place] for place in np.flatnonzero(exact.any(axis=0)).tolist()]
    taken = {place for window in heard for place in window.places}
    free = np.array([taken.isdisjoint(window.places) for window in windows])
    best = np.where(free, likeness, 0.0).max(axis=1)
    order = [place for place in np.argsort(-best, kind="stable") if best[place] >= least]
    return Compared(written, tuple(keys.terms[place] for place in order[:most]))


@lru_cache(_LISTS_KEPT)
def keys_of(terms: tuple[str, ...]) -> SearchKeys:
    """The search keys of all terms and parts of names."""
    parts = (part for term in terms for part in name_parts(term))
    return search_keys(tuple(dict.fromkeys([*terms, *parts])))
