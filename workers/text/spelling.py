"""
Spelled letters, written as letters: `E k w a l l`, `S-m-i-t-h` and `Q, u, i` become capitals, one a word.

Pure.  English.  Within a row of letters and digits a word that sounds like a letter is that letter: `are` is R.
How much proves a row depends on whether the call was asked to spell (`protocol.calls.spelling`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import pairwise

from protocol.numbers.languages import lexicon_of
from protocol.numbers.lexicon import Kind
from protocol.numbers.lexicon import words as words_of
from protocol.numbers.tokens import fold
from protocol.redaction.segment.spelled import ICAO

from ..engines.base import RecognisedWord

_SIGNS = ".,;:!?…"
_HYPHENED = re.compile(r"[a-z0-9](?:-[a-z0-9])+", re.ASCII)
_CODE = re.compile(
    r"(?=.*\d)(?=.*[a-z])(?!\d+(?:st|nd|rd|th|am|pm|s|x|k|d)$)[a-z0-9]{3,12}", re.ASCII
)
"""Letters and digits in one word; not `21st`, `3pm`, `90s`."""

_NAMES = {
    "zed": "Z", "zee": "Z", "aitch": "H", "ess": "S", "eff": "F", "dee": "D", "vee": "V", "gee": "G", "jay": "J",
    "kay": "K", "bee": "B", "cee": "C", "pee": "P", "tee": "T", "cue": "Q", "queue": "Q", "ex": "X",
}  # fmt: skip
"""Names of letters that are hardly words."""

_HOMOPHONES = {
    "be": "B", "see": "C", "sea": "C", "eye": "I", "are": "R", "tea": "T", "you": "U", "why": "Y", "oh": "O",
    "age": "H", "pea": "P", "el": "L", "em": "M", "en": "N", "a": "A", "i": "I", "o": "O",
}  # fmt: skip
"""Words that are letters only beside letters."""

_LINKS = words_of("double triple dash hyphen and then capital space slash dot uh um")
"""Words between letters, which end no row."""

_FEWEST_LETTERS = 3
"""Single letters that prove a row if nobody has asked for them."""

_FEWEST_SURE = 4
"""Letters, digits and words of the spelling alphabet that do so together, with a single letter among them."""

_NOT_ALONE = words_of("oh a i o")
"""Homophones that are an answer of their own."""


class _Kind(Enum):
    LETTER = auto()
    NAMED = auto()
    """A word of the spelling alphabet, which stays as it is."""

    NUMBER = auto()
    MAYBE = auto()
    LINK = auto()


@dataclass(frozen=True, slots=True)
class _Element:
    """A word that may be part of a row, and what it spells."""

    place: int
    kind: _Kind
    letters: str = ""

    @property
    def is_sure(self) -> bool:
        """Whether it is a letter or a digit by itself."""
        return self.kind in (_Kind.LETTER, _Kind.NAMED, _Kind.NUMBER)


def spelled(
    words: Sequence[RecognisedWord], language: str, *, asked: bool
) -> tuple[RecognisedWord, ...]:
    """
    The words with the letters of spelled names and codes as capitals; all others as they are.

    `language`: ISO 639; only English is changed.  `asked`: whether the call was asked to spell.
    """
    if language != "en":
        return tuple(words)
    found = [_element(place, word.text, asked=asked) for place, word in enumerate(words)]
    changes: dict[int, str] = {}
    for row in _rows(found):
        if _is_spelled(row, words, asked=asked):
            changes |= _written(row, words, asked=asked)
    return tuple(
        part
        for place, word in enumerate(words)
        for part in _parts(word, changes.get(place, word.text))
    )


def _element(place: int, text: str, *, asked: bool) -> _Element | None:
    word = fold(text.strip(_SIGNS))
    if len(word) == 1 and word.isalpha() and word not in "aio":
        return _Element(place, _Kind.LETTER, word)
    if len(word) > 3 and _HYPHENED.fullmatch(word) and not word.replace("-", "").isdigit():
        return _Element(place, _Kind.LETTER, word.replace("-", ""))
    if asked and _CODE.fullmatch(word):
        return _Element(place, _Kind.LETTER, word)
    if word in _NAMES:
        return _Element(place, _Kind.LETTER if asked else _Kind.MAYBE, _NAMES[word])
    if word.replace("-", "") in ICAO:
        return _Element(place, _Kind.NAMED)
    if word.isdigit() or lexicon_of("en").morphemes.get(word, (Kind.AND, 0))[0] is not Kind.AND:
        return _Element(place, _Kind.MAYBE if word == "oh" else _Kind.NUMBER, "O" * (word == "oh"))
    if word in _HOMOPHONES:
        return _Element(place, _Kind.MAYBE, _HOMOPHONES[word])
    return _Element(place, _Kind.LINK) if word in _LINKS else None


def _rows(found: Sequence[_Element | None]) -> Iterator[list[_Element]]:
    """Elements that follow each other, without links at the ends."""
    row: list[_Element] = []
    for element in (*found, None):
        if element is not None and (row or element.kind is not _Kind.LINK):
            row.append(element)
            continue
        while row and row[-1].kind is _Kind.LINK:
            row.pop()
        if row:
            yield row
        row = []


def _is_spelled(row: Sequence[_Element], words: Sequence[RecognisedWord], *, asked: bool) -> bool:
    letters = sum(len(one.letters) for one in row if one.kind is _Kind.LETTER)
    named = sum(one.kind is _Kind.NAMED for one in row)
    sure = letters + named + sum(one.kind is _Kind.NUMBER for one in row)
    doubtful = sum(one.kind is _Kind.MAYBE for one in row)
    if asked and len(words) == doubtful == 1:
        text = words[0].text
        return not text.endswith("?") and fold(text.strip(_SIGNS)) not in _NOT_ALONE
    if asked:
        return letters + named > 0 and sure > doubtful
    is_proved = letters >= _FEWEST_LETTERS or sure >= _FEWEST_SURE
    return letters > 0 and sure > doubtful and is_proved


def _written(
    row: Sequence[_Element], words: Sequence[RecognisedWord], *, asked: bool
) -> dict[int, str]:
    """
    The text of each word that changes: letters as capitals, separated by spaces, and the sign behind them.

    Commas between the elements are left out: they are the pauses of the speaker, and end no name.
    """
    sure = [at for at, one in enumerate(row) if one.is_sure]
    if not (asked and len(row) == len(words)):
        row = row[sure[0] : sure[-1] + 1]
    changes = {}
    for one in row:
        text = words[one.place].text
        bare = text.rstrip(_SIGNS)
        sign = "" if text.endswith(",") and one is not row[-1] else text[len(bare) :]
        changes[one.place] = (" ".join(one.letters.upper()) or bare) + sign
    return changes


def _parts(word: RecognisedWord, text: str) -> list[RecognisedWord]:
    """The letters of a word as words: each with its share of the time, and of the probability."""
    if text == word.text:
        return [word]
    texts = text.split()
    if len(texts) <= 1:
        return [replace(word, text=text)]
    sure = None if word.confidence is None else word.confidence ** (1 / len(texts))
    spans: list[tuple[int | None, int | None]] = [(None, None)] * len(texts)
    if word.start is not None and word.end is not None:
        steps = range(len(texts) + 1)
        ends = [word.start + (word.end - word.start) * step // len(texts) for step in steps]
        spans = list(pairwise(ends))
    return [
        replace(word, text=one, start=start, end=end, confidence=sure)
        for one, (start, end) in zip(texts, spans, strict=True)
    ]
