"""
Which keywords a final is searched again for, and which of the two texts is better.  Pure.

The first search leans a little towards all terms of a short list.  Where its text only sounds like a term, a
second search leans more towards that term.  For a long list the first search has no terms, and the second those
that sound most like its text: the time of a search grows with the terms that it leans towards.
"""

from dataclasses import dataclass

from ..common.beam_search import Found
from ..common.near_misses import compared
from .keyword_bias import is_common_word
from .tokens import Vocabulary

_MOST_AT_ONCE = 100
"""Most terms, and parts of names, that a search leans towards."""

BONUS_OF_NEAR = 4.0
"""For each token, in the second search; the first has `keyword_bias.BONUS`."""

_LEAST_LIKENESS, _LEAST_OF_LONG = 75.0, 60.0
"""Of 100.  From a long list the second search gets more terms, because the first has not tried them."""

_MOST_LOST = 12.0
"""Most of a text's log-probability that may be lost to the keywords in it."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """A text, and the terms that its search leaned towards."""

    found: Found
    terms: tuple[str, ...]


def at_first(terms: tuple[str, ...]) -> tuple[str, ...]:
    """The terms of the first search."""
    return terms if len(terms) <= _MOST_AT_ONCE else ()


def plausible(vocabulary: Vocabulary, terms: tuple[str, ...], first: Recognised) -> tuple[str, ...]:
    """The terms that the text has and those that it sounds like; none if it sounds like no other term."""
    if not terms:
        return ()
    new = first.terms != terms
    least = _LEAST_OF_LONG if new else _LEAST_LIKENESS
    heard = compared(terms, _words(vocabulary, first.found), least, most=_MOST_AT_ONCE)
    near = tuple(term for term in heard.near if not is_common_word(vocabulary, term))
    return (*heard.written, *near) if near or (new and heard.written) else ()


def better(vocabulary: Vocabulary, first: Recognised, second: Recognised) -> Recognised:
    """The second text if it has more of its terms, and is not much less probable; else the first."""
    had, has = (
        len(compared(second.terms, _words(vocabulary, one.found), _LEAST_LIKENESS).written)
        for one in (first, second)
    )
    lost = sum(first.found.log_probs) - sum(second.found.log_probs)
    return second if has > had and second.found.complete and lost <= _MOST_LOST else first


def _words(vocabulary: Vocabulary, found: Found) -> list[str]:
    return [word.text for word in vocabulary.spell(found.tokens, [1.0] * len(found.tokens))]
