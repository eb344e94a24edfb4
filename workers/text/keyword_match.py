"""
Find the keywords of a call in a recognised text, and write them as the call spells them.

In German, Spanish and French, inflected and compound forms count too (`inflection`), unless the form is a keyword
itself. A word that looks like a keyword may be an ordinary word: `will` is not the name Will. A keyword of one word
counts as found if the search of the engine preferred it (`leaned`), where the engine reports this; otherwise if
the recogniser wrote it with a capital. Where a capital proves nothing (at the beginning of a sentence, or with a
recogniser that writes no capitals), a word of `ordinary_words` counts as the ordinary word. Characters that make
another name (`C++`, `A+`, `#5`) must be in the recognised text.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from protocol.calls.keywords import name_parts

from ..engines.base import RecognisedWord
from ..engines.common.inflection import Form, forms_in
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


@dataclass(frozen=True, slots=True)
class _Inflected:
    """An occurrence in `words`, of which the one at `place` was reduced to a `form` that is in it."""

    occurrence: Occurrence
    words: Sequence[RecognisedWord]
    place: int
    form: Form


class _TermIndex:
    """Terms by their first piece, so that the work for a text depends on its length and not on that of the list."""

    def __init__(self, terms: Sequence[str]) -> None:
        self._terms = terms
        self._by_first: dict[str, list[int]] = {}
        self._unspaced: list[int] = []
        self._known: set[str] = set()
        for place, term in enumerate(terms):
            if _is_unspaced(term):
                self._unspaced.append(place)
            elif pieces := _pieces(term):
                self._by_first.setdefault(pieces[0], []).append(place)
                self._known.update(pieces)

    def knows(self, form: Form) -> bool:
        """Whether a term may have `form` in it."""
        pieces = _pieces(form.text)
        return bool(pieces) and self._known.issuperset(pieces)

    def candidates(self, pieces: Iterable[str]) -> Iterator[str]:
        """The terms that may occur in a text with these different pieces, in the order of the list."""
        found = set(self._unspaced)
        for piece in pieces:
            found.update(self._by_first.get(piece, ()))
        return (self._terms[place] for place in sorted(found))


def keywords_in(
    words: Sequence[RecognisedWord], keywords: Iterable[str], language: str = ""
) -> tuple[str, ...]:
    """
    Return the keywords found in `words`, spelled and ordered as in the keyword list of the call.

    `language`: ISO 639, of the words; of a language without rules for inflected forms none is found.
    """
    terms = tuple(keywords)
    index = _index(terms)
    exact = _exact(words, index)
    inflected = (one.occurrence for one in _inflected(words, index, exact, language))
    found = {one.term for one in (*exact, *inflected)}
    return tuple(term for term in terms if term in found)


def written_as_listed(
    words: Sequence[RecognisedWord], keywords: Iterable[str], language: str = ""
) -> list[str]:
    """
    Return the text of each word, with keywords and parts of names spelled as in the list; if several fit, the
    longest is used.  `language`: as for `keywords_in`.
    """
    index = _index_with_parts(tuple(keywords))
    exact, written = _exact(words, index), [word.text for word in words]
    taken: set[int] = set()
    for one in exact:
        places = range(one.start, one.end)
        if taken.isdisjoint(places):
            taken.update(places)
            written[one.start : one.end] = _spelled(words[one.start : one.end], one, words)
    for found in _inflected(words, index, exact, language):
        spelled = _spelled_around(found, words[found.place].text)
        for place, text in enumerate(spelled, found.occurrence.start):
            if place not in taken:
                taken.add(place)
                written[place] = text
    return written


def _exact(words: Sequence[RecognisedWord], index: _TermIndex) -> list[Occurrence]:
    pieces = _placed(words)
    places: dict[str, list[int]] = {}
    for place, (piece, _) in enumerate(pieces):
        places.setdefault(piece, []).append(place)
    return [
        one
        for term in index.candidates(places)
        for one in _occurrences(words, pieces, places, term)
    ]


def _inflected(
    words: Sequence[RecognisedWord],
    index: _TermIndex,
    exact: Sequence[Occurrence],
    language: str,
) -> Iterator[_Inflected]:
    """Terms of which one word is a part of the word that was heard, where no term itself was heard."""
    taken = {place for one in exact for place in range(one.start, one.end)}
    for place, word in enumerate(words):
        for form in () if place in taken else forms_in(word.text, language):
            if not index.knows(form):
                continue
            part = replace(word, text=_with_capital_of(form, word.text))
            reduced = (*words[:place], part, *words[place + 1 :])
            for one in _exact(reduced, index):
                if place in range(one.start, one.end) and _is_at_its_ends(one, place, form):
                    yield _Inflected(one, reduced, place, form)


def _is_at_its_ends(one: Occurrence, place: int, form: Form) -> bool:
    """Whether what surrounds the name in the word at `place` is not inside a term of several words."""
    if one.end - one.start == 1:
        return True
    return (place == one.start and form.at_end) or (place == one.end - 1 and form.at_start)


def _with_capital_of(form: Form, heard: str) -> str:
    """The second part of a compound has the capital of the compound."""
    return form.text[0].upper() + form.text[1:] if _has_capital(heard) else form.text


def _spelled_around(found: _Inflected, heard: str) -> list[str]:
    """The words of an occurrence as listed, with what was heard around the name."""
    one, form = found.occurrence, found.form
    texts = _spelled(found.words[one.start : one.end], one, found.words)
    is_joined = heard[form.start - 1 : form.start].isalnum()
    inner = form.text if is_joined else texts[found.place - one.start]
    texts[found.place - one.start] = heard[: form.start] + inner + heard[form.end :]
    return texts


@lru_cache(_LISTS_KEPT)
def _index(terms: tuple[str, ...]) -> _TermIndex:
    return _TermIndex(terms)


@lru_cache(_LISTS_KEPT)
def _index_with_parts(terms: tuple[str, ...]) -> _TermIndex:
    """The terms and the parts of names among them, the longest first."""
    parts = [part for term in terms for part in name_parts(term)]
    return _TermIndex(sorted(dict.fromkeys([*terms, *parts]), key=lambda each: -len(_pieces(each))))


def _occurrences(
    words: Sequence[RecognisedWord],
    pieces: Sequence[tuple[str, int]],
    places: Mapping[str, Sequence[int]],
    term: str,
) -> Iterator[Occurrence]:
    """Where `term` occurs.  `places`: of each different piece, in `pieces`."""
    wanted = _pieces(term)
    if not wanted:
        return
    if _is_unspaced(term):
        yield from _inside(words, term)
        return
    for at in places.get(wanted[0], ()):
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
