"""
Text and queries as terms of the full-text index.  Pure.

A term is a word without case and accents, prefixed with the tenant.  So a query finds terms of its own tenant only,
and its time does not depend on what other tenants have said.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_IDEOGRAPH = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Scripts without spaces between words: each character is a term (Hiragana, Katakana, Han)."""

_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0900-\u0dff\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"
"""Vowel signs and accents, which Python does not count as letters, and the blocks of scripts that need them."""

_WORD = re.compile(rf"[{_IDEOGRAPH}]|(?:(?![{_IDEOGRAPH}_])[\w{_MARKS}])+")
_PART = re.compile(r'"([^"]*)"|(\S+)')

LONGEST_QUERY = 500
MOST_TERMS = 32
_SHORTEST_PREFIX = 2
"""A shorter beginning fits a large part of all words, and costs accordingly."""


class QueryError(ValueError):
    """The query has no words, or too many.  The text says what to change."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that follow each other; of the last one only the beginning is given if `is_prefix`."""

    words: tuple[str, ...]
    is_prefix: bool = False


Query = tuple[Phrase, ...]
"""Phrases that one segment must contain, in any order."""


@lru_cache(4_096)
def folded(text: str) -> str:
    """Return `text` without case, accents and compatibility differences."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in apart if sign.isalnum() or _is_vowel_sign(sign))


def _is_vowel_sign(sign: str) -> bool:
    return unicodedata.category(sign)[0] == "M" and not unicodedata.combining(sign)


def words_of(text: str) -> list[str]:
    """Return the words of a text, folded, in order."""
    return [term for word in _WORD.findall(text) if (term := folded(word))]


def terms_of(tenant: str, text: str) -> list[str]:
    """Return the terms of a text: its words as the index holds them for `tenant`."""
    return [f"{tenant}:{word}" for word in words_of(text)]


def read_query(text: str) -> Query:
    """Parse a query: words, `"a phrase"` and `begin*`.  Raises QueryError."""
    if len(text) > LONGEST_QUERY:
        raise QueryError(f"q has at most {LONGEST_QUERY} characters")
    phrases = []
    for quoted, single in _PART.findall(text):
        words = tuple(words_of(quoted or single))
        is_prefix = single.endswith("*")
        if is_prefix and words and len(words[-1]) < _SHORTEST_PREFIX:
            raise QueryError(f"a beginning has at least {_SHORTEST_PREFIX} characters before the *")
        if words:
            phrases.append(Phrase(words, is_prefix))
    if not phrases:
        raise QueryError("q has no words")
    if sum(len(one.words) for one in phrases) > MOST_TERMS:
        raise QueryError(f"q has at most {MOST_TERMS} words")
    return tuple(phrases)


def marks(text: str, query: Query) -> list[tuple[int, int]]:
    """Return where words of the query stand in `text`, as character positions (start, end), in order."""
    spans, words = [], []
    for match in _WORD.finditer(text):
        if word := folded(match.group()):
            spans.append(match.span())
            words.append(word)
    found = {at for phrase in query for at in _places(words, phrase)}
    return [spans[at] for at in sorted(found)]


def _places(words: list[str], phrase: Phrase) -> Iterator[int]:
    """Yield the places of the words that belong to the phrase."""
    *first, last = phrase.words
    length = len(first)
    for at, word in enumerate(words[length:]):
        fits = word.startswith(last) if phrase.is_prefix else word == last
        if fits and words[at : at + length] == first:
            yield from range(at, at + length + 1)
