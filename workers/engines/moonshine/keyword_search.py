"""
Which keywords a final is searched again for, and which of the two texts is better.  Pure.

The first search leans a little towards all terms of a list.  Where its text only sounds like a term, a second
search leans more towards that term.
"""

from dataclasses import dataclass

from ..common.beam_search import Found
from ..common.near_misses import Compared, compared
from .keyword_bias import is_common_word
from .tokens import Vocabulary

_MOST_TERMS = 100
"""Terms of a list that is compared: of a longer one, some term sounds like nearly every text."""

BONUS_OF_NEAR = 4.0
"""For each token, in the second search; the first has `keyword_bias.BONUS`."""

_LEAST_LIKENESS = 75.0
_MOST_LOST = 12.0
"""Most of a text's log-probability that may be lost to the keywords in it."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """A text, and the terms that its search leaned towards."""

    found: Found
    terms: tuple[str, ...]


def plausible(vocabulary: Vocabulary, first: Recognised) -> tuple[str, ...]:
    """The terms that the text has and those that it sounds like; none if it sounds like no other term."""
    if not 0 < len(first.terms) <= _MOST_TERMS:
        return ()
    heard = _compared(vocabulary, first.terms, first.found)
    near = tuple(term for term in heard.near if not is_common_word(vocabulary, term))
    return (*heard.written, *near) if near else ()


def better(vocabulary: Vocabulary, first: Recognised, second: Recognised) -> Recognised:
    """The second text if it has more of its terms, and is not much less probable; else the first."""
    terms = second.terms
    had, has = (len(_compared(vocabulary, terms, one.found).written) for one in (first, second))
    lost = sum(first.found.log_probs) - sum(second.found.log_probs)
    return second if has > had and second.found.complete and lost <= _MOST_LOST else first


def _compared(vocabulary: Vocabulary, terms: tuple[str, ...], found: Found) -> Compared:
    words = vocabulary.spell(found.tokens, [1.0] * len(found.tokens))
    return compared(terms, [word.text for word in words], _LEAST_LIKENESS)
