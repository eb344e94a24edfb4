"""
Find the keywords of a call in a recognised text, and write them as the call spells them.

A word that looks like a keyword may be an ordinary word: `will` is not the name Will. A keyword of one word
counts as found if the search of the engine preferred it (`leaned`), where the engine reports this; otherwise if
the recogniser wrote it with a capital. Where a capital proves nothing (at the beginning of a sentence, or with a
recogniser that writes no capitals), a word of `ordinary_words` counts as the ordinary word. Characters that make
another name (`C++`, `A+`, `#5`) must be in the recognised text.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from protocol.calls.keywords import name_parts

from ..engines.base import RecognisedWord
from .ordinary_words import ORDINARY

_APOSTROPHES = re.compile("['’`]")
_CONTRACTION = re.compile(r"['’](ll|d|re|ve|m|t)$")
_ABBREVIATION_DOT = re.compile(r"(?<=[^\W\d])\.(?=[^\W\d])")
_JOINTS = re.compile(r"[-‐‑–/]+")
_NAMING_SIGNS = "#&@%*_"
_ENDS_SENTENCE = re.compile(r"[.!?…。？！][\"'”’)]*$")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+"
)
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese: scripts without spaces between words."""


_LISTS_KEPT = 16


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An occurrence of the keyword `term`: the words from index `start` to `end` (exclusive)."""

    term: str
    start: int
    end: int


class _TermIndex:
    """Terms by their first piece, so that the work for a text depends on its length and not on that of the list."""

    def __init__(self, terms: Sequence[str]) -> None:
        self._terms = terms
        self._by_first: dict[str, list[int]] = {}
        self._unspaced: list[int] = []
        for place, term in enumerate(terms):
            if _is_unspaced(term):
                self._unspaced.append(place)
            elif pieces := _pieces(term):
                self._by_first.setdefault(pieces[0], []).append(place)

    def candidates(self, pieces: Sequence[tuple[str, int]]) -> Iterator[str]:
        """The terms that may occur in a text with these pieces, in the order of the list."""
        found = set(self._unspaced)
        for piece in {piece for piece, _ in pieces}:
            found.update(self._by_first.get(piece, ()))
        return (self._terms[place] for place in sorted(found))


def keywords_in(words: Sequence[RecognisedWord], keywords: Iterable[str]) -> tuple[str, ...]:
    """Return the keywords found in `words`, spelled and ordered as in the keyword list of the call."""
    pieces = _placed(words)
    candidates = _index(tuple(keywords)).candidates(pieces)
    return tuple(term for term in candidates if any(_occurrences(words, pieces, term)))


def written_as_listed(words: Sequence[RecognisedWord], keywords: Iterable[str]) -> list[str]:
    """
    Return the text of each word, with keywords and parts of names spelled as in the list; if several fit, the
    longest is used.
    """
    pieces = _placed(words)
    written = [word.text for word in words]
    taken: set[int] = set()
    for term in _index_with_parts(tuple(keywords)).candidates(pieces):
        for one in _occurrences(words, pieces, term):
            places = range(one.start, one.end)
            if taken.isdisjoint(places):
                taken.update(places)
                written[one.start : one.end] = _spelled(words[one.start : one.end], one, words)
    return written


@lru_cache(_LISTS_KEPT)
def _index(terms: tuple[str, ...]) -> _TermIndex:
    return _TermIndex(terms)


@lru_cache(_LISTS_KEPT)
def _index_with_parts(terms: tuple[str, ...]) -> _TermIndex:
    """The terms and the parts of names among them, the longest first."""
    parts = [part for term in terms for part in name_parts(term)]
    return _TermIndex(sorted(dict.fromkeys([*terms, *parts]), key=lambda each: -len(_pieces(each))))


def _occurrences(
    words: Sequence[RecognisedWord], pieces: Sequence[tuple[str, int]], term: str
) -> Iterator[Occurrence]:
    wanted = _pieces(term)
    if not wanted:
        return
    if _is_unspaced(term):
        yield from _inside(words, term)
        return
    for at in range(len(pieces) - len(wanted) + 1):
        if tuple(piece for piece, _ in pieces[at : at + len(wanted)]) != wanted:
            continue
        start, end = pieces[at][1], pieces[at + len(wanted) - 1][1] + 1
        begins = at == 0 or pieces[at - 1][1] != start
        ends = at + len(wanted) == len(pieces) or pieces[at + len(wanted)][1] != end - 1
        if begins and ends and _is_meant(words, start, end, term, len(wanted)):
            yield Occurrence(term, start, end)


def _is_meant(
    words: Sequence[RecognisedWord], start: int, end: int, term: str, length: int
) -> bool:
    """Return whether words that look like `term` are that name, and not ordinary words."""
    heard = words[start].text
    core = _pieces(term)[0]
    if length > 1 or end - start > 1:
        return True
    if len(core) == 1 and len(term) > 1:
        # otherwise `(A)` would match every article
        return _folded(term) in _folded(heard)
    if not _has_capital(term):
        return True
    if all(word.leaned for word in words[start:end]):
        return True
    if not _has_own_capitals(words, start):
        return core not in ORDINARY
    return _has_capital(heard)


def _has_own_capitals(words: Sequence[RecognisedWord], place: int) -> bool:
    """Return whether the word has a capital that neither its position nor a text without capitals explains."""
    capitals = [sign for sign in words[place].text if sign.isalpha()]
    if len(capitals) > 1 and any(sign.isupper() for sign in capitals[1:]):
        return True
    if not any(_has_capital(word.text) for word in words):
        return False
    first = place == 0 or _ENDS_SENTENCE.search(words[place - 1].text) is not None
    return not (first and _has_capital(words[place].text))


def _spelled(
    heard: Sequence[RecognisedWord], one: Occurrence, words: Sequence[RecognisedWord]
) -> list[str]:
    """
    Return the words of an occurrence as listed, if both have the same number of words; keep the punctuation
    around them.
    """
    texts, parts = [word.text for word in heard], one.term.split()
    alike = len(parts) == len(texts) and all(
        _pieces(text) == _pieces(part) for text, part in zip(texts, parts, strict=True)
    )
    first = one.start == 0 or _ENDS_SENTENCE.search(words[one.start - 1].text) is not None
    if not alike or (first and not _has_capital(one.term) and _has_capital(texts[0])):
        return texts
    return [_in_place(part, text) for part, text in zip(parts, texts, strict=True)]


def _in_place(part: str, heard: str) -> str:
    """Return `part` with the punctuation around the recognised word, except characters that `part` has itself."""
    core = heard.strip("".join(sign for sign in heard if _is_outer(sign)))
    before, _, after = heard.partition(core) if core else ("", "", "")
    head = next((n for n in range(len(before), 0, -1) if part.startswith(before[-n:])), 0)
    tail = next((n for n in range(len(after), 0, -1) if part.endswith(after[:n])), 0)
    return before[: len(before) - head] + part + after[tail:]


def _inside(words: Sequence[RecognisedWord], term: str) -> Iterator[Occurrence]:
    """Words that contain a keyword of a script without spaces; their spelling stays as recognised."""
    wanted = _folded(term)
    for place, word in enumerate(words):
        heard = _folded(word.text)
        if wanted in heard if len(wanted) > 1 else wanted == _bare(heard):
            yield Occurrence(term, place, place + 1)


def _placed(words: Sequence[RecognisedWord]) -> list[tuple[str, int]]:
    """The pieces of all words, each with the index of its word."""
    return [(piece, place) for place, word in enumerate(words) for piece in _pieces(word.text)]


@lru_cache(2_048)
def _pieces(text: str) -> tuple[str, ...]:
    """Return the pieces to compare: lower case, split at spaces, hyphens and slashes, without punctuation."""
    return tuple(
        "and" if bare == "&" else bare
        for word in _folded(text).split()
        for piece in _JOINTS.split(word)
        if (bare := _bare(piece))
    )


def _bare(piece: str) -> str:
    """Return the piece without punctuation around it, apostrophes and the dots of abbreviations."""
    core = piece.strip("".join(sign for sign in piece if _is_outer(sign)))
    if not _CONTRACTION.search(core):
        core = _APOSTROPHES.sub("", core)
    return _ABBREVIATION_DOT.sub("", core)


def _is_outer(sign: str) -> bool:
    """
    Return whether a character at the edge of a word is only punctuation: not letters, marks or the plus signs of
    `C++`.
    """
    return unicodedata.category(sign)[0] in "PZC" and sign not in _NAMING_SIGNS


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _is_unspaced(term: str) -> bool:
    return _UNSPACED.fullmatch(term) is not None


def _has_capital(text: str) -> bool:
    return any(sign.isupper() or sign.istitle() for sign in text)
