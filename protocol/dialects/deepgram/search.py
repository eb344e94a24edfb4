"""
Finds the terms of `search` in results.

https://developers.deepgram.com/docs/search: Deepgram searches for sounds. Here the words of the text are compared,
in any case and without accents, so that each hit has the confidence 1.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from ...clock import to_seconds
from ...numbers.tokens import fold
from ..common.turns import TimedWord

MOST_TERMS = 25
_MOST_HITS = 50
"""Of one term in one result. A query such as `a a a` has a hit at each word of a monotonous text."""

_SIGNS = '.,;:!?¿¡"“”()…'


def found(terms: Sequence[str], words: Sequence[TimedWord]) -> list[dict[str, Any]]:
    """For each term, its first hits: where each begins and ends in seconds, and the words."""
    texts = [_bare(word.text) for word in words]
    return [{"query": term, "hits": _hits(term, words, texts)} for term in terms]


def _hits(term: str, words: Sequence[TimedWord], texts: Sequence[str]) -> list[dict[str, Any]]:
    wanted = [_bare(word) for word in term.split()]
    places = (
        at
        for at in range(len(words) - len(wanted) + 1)
        if wanted and texts[at : at + len(wanted)] == wanted
    )
    return [
        {
            "confidence": 1.0,
            "start": round(to_seconds(words[at].start), 3),
            "end": round(to_seconds(words[at + len(wanted) - 1].end), 3),
            "snippet": " ".join(word.text for word in words[at : at + len(wanted)]),
        }
        for at in islice(places, _MOST_HITS)
    ]


def _bare(text: str) -> str:
    return fold(text).strip(_SIGNS)
