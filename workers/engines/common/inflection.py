"""
Inflected and compound forms of names in German, Spanish and French.

Pure.  `Quillons` and `Quillon-Vertrag` contain the name Quillon, `l'Ekwall` contains Ekwall.  A form is found from
the heard word, by what may stand around a name in it: so the work does not grow with the list of names.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

_APOSTROPHE = "['’`]"
_HYPHEN = re.compile(r"[-‐‑–]")
_CORE = re.compile(r"[^\W_](?:.*[^\W_])?['’]?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Rules:
    """
    What a language puts around a name.

    `endings`: behind a name, with the fewest letters that the name must have; `elided`: before a name, with an
    apostrophe; `closed`: names are joined to other words without a hyphen.
    """

    endings: Mapping[str, int]
    elided: re.Pattern[str] | None = None
    closed: bool = False


_RULES: Mapping[str, _Rules] = {
    "de": _Rules({"'s": 2, "’s": 2, "s": 3, "es": 5}, closed=True),
    "es": _Rules({"s": 3, "es": 3}),
    "fr": _Rules(
        {"s": 3, "x": 3}, re.compile(rf"(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu){_APOSTROPHE}", re.I)
    ),
}
"""Names take few of the endings of a language: `Berger` and `Bergen` are not forms of `Berg`."""

_SHORTEST_HYPHENED = 3
_SHORTEST_JOINED = 6
"""Letters of a name inside a word without a hyphen: `Bachmann` is not a form of `Bach`."""

_SHORTEST_REST = 4
"""Letters of the other part of such a word."""

_LONGEST = 64
"""Characters of a word that is taken apart; a longer one is no word."""


@dataclass(frozen=True, slots=True)
class Form:
    """A part of a heard word that may be a name: the characters `[start, end)`."""

    text: str
    start: int
    end: int
    at_start: bool
    """Nothing but punctuation stands before it in the word."""

    at_end: bool
    """The same behind it."""


@lru_cache(4_096)
def forms_in(word: str, language: str) -> tuple[Form, ...]:
    """
    The parts of `word` that may be a name in an inflected form or a compound; none in other languages.

    Never the whole word.  `language`: ISO 639.
    """
    rules, core = _RULES.get(language), _CORE.search(word)
    if rules is None or core is None or len(word) > _LONGEST:
        return ()
    first, last = core.span()
    spans = dict.fromkeys(_spans(word, first, last, rules))
    whole = word[first:last].rstrip("'’")
    return tuple(
        Form(word[start:end], start, end, start == first, end == last)
        for start, end in spans
        if word[start:end] != whole
    )


def _spans(word: str, first: int, last: int, rules: _Rules) -> Iterator[tuple[int, int]]:
    if rules.elided and (elided := rules.elided.match(word, first)):
        first = elided.end()
        yield first, last
    for start, end in _hyphened(word, first, last):
        yield start, end
        yield from _bare(word, start, end, rules)
    yield from _bare(word, first, last, rules)
    if rules.closed and word[first:last].isalpha():
        yield from _joined(first, last)


def _bare(word: str, start: int, end: int, rules: _Rules) -> Iterator[tuple[int, int]]:
    """Without each of the endings that it may have."""
    for ending, fewest in rules.endings.items():
        bare = end - len(ending)
        is_ending = word[bare:end].casefold() == ending and word[bare - 1 : bare].isalnum()
        if is_ending and bare - start >= fewest:
            yield start, bare


def _hyphened(word: str, first: int, last: int) -> Iterator[tuple[int, int]]:
    """The parts of a compound with hyphens: all that begin, or end, at its ends."""
    cuts = [(found.start(), found.end()) for found in _HYPHEN.finditer(word, first, last)]
    for start, end in cuts:
        if start - first >= _SHORTEST_HYPHENED:
            yield first, start
        if last - end >= _SHORTEST_HYPHENED:
            yield end, last


def _joined(first: int, last: int) -> Iterator[tuple[int, int]]:
    """The first parts of a compound without hyphens; as its last part a name makes another name: `Goldschmidt`."""
    for length in range(_SHORTEST_JOINED, last - first - _SHORTEST_REST + 1):
        yield first, first + length
