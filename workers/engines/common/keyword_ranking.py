"""
Ranks the keywords of a long list by how much they sound like the speech in one segment.

Pure.  The text of a first, unbiased pass is compared with every term, by letters and by a coarse phonetic key: an
engine writes a name that it does not know with other letters, but seldom with other sounds.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz, process

from .inflection import forms_in

_LISTS_KEPT = 16
"""Lists of terms whose search keys are kept: most segments have the list of the segment before."""

_MOST_WORDS = 200
"""Words of a text that are compared: more than the longest segment can hold."""

_LONGEST_WINDOW = 4
"""Longest sequence of words that may be a misrecognised term."""

_LETTERS = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
)
"""Letters that Unicode does not decompose into a plain letter and an accent."""

_SOUND_ALONE = 0.95
"""
Weight of phonetic similarity relative to that of letters: of two terms that sound alike, the spelling decides.
"""

_NO_LETTER = re.compile(r"[\W_]+")
_SOUNDS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"ph", "f"), (r"sch|sh|ch(?=[ei])", "s"), (r"th", "t"), (r"wh|w", "v"), (r"c(?=[eiy])|z|x", "s"),
        (r"ck|ch|c|q|g|gh", "k"), (r"f", "v"), (r"b", "p"), (r"d", "t"), (r"m", "n"), (r"h", ""),
        (r"[aeiouyj]+", "a"), (r"(.)\1+", r"\1"),
    )
)  # fmt: skip
"""Spellings that sound alike to an engine, in the order in which they are replaced; all vowels count as one."""


def by_sound(terms: Sequence[str], heard: str, language: str = "") -> tuple[str, ...]:
    """
    Sort `terms`: first those that sound most like some words of `heard`; equal ones keep their order.

    `language`: ISO 639, of the words: inflected forms and compounds are compared too (see `inflection`).
    The work is bounded: 1,600 comparisons of a few letters for each term, about 30 ms for 5,000 terms and 15
    seconds of speech, and 80 ms when a list is new.
    """
    likeness = _likenesses(terms, heard, language)
    order = sorted(range(len(terms)), key=lambda place: -likeness[place])
    return tuple(terms[place] for place in order)


def sounding_like(
    terms: Sequence[str], heard: str, least: float, language: str = ""
) -> tuple[str, ...]:
    """The `terms` whose similarity to some words of `heard` is at least `least`, of 100, in their order."""
    likeness = _likenesses(terms, heard, language)
    return tuple(term for term, value in zip(terms, likeness, strict=True) if value >= least)


def in_order(chosen: Sequence[str], terms: Sequence[str]) -> tuple[str, ...]:
    """The `chosen` ones of `terms`, in the order of `terms`."""
    wanted = set(chosen)
    return tuple(term for term in terms if term in wanted)


Likeness = npt.NDArray[np.float32]
"""Similarities of at most 100; a close match of a short key counts less than that of a long key."""


@dataclass(frozen=True, slots=True)
class SearchKeys:
    """Terms with the letters and the sounds by which they are compared."""

    terms: tuple[str, ...]
    letters: tuple[str, ...]
    sounds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """Up to four words in a row: their indices in the text, and their letters without spaces."""

    places: range
    letters: str


@lru_cache(_LISTS_KEPT)
def search_keys(terms: tuple[str, ...]) -> SearchKeys:
    """The search keys of `terms`, about 15 us each."""
    return SearchKeys(terms, tuple(map(_letters, terms)), tuple(map(_sound, terms)))


def windows_of(words: Sequence[str], language: str = "") -> list[Window]:
    """
    All sequences of up to four of the first 200 words that have letters or digits.

    And in German, Spanish and French the parts of words that may be names, each alone.
    """
    spelled = [
        (place, letters)
        for place, word in enumerate(words[:_MOST_WORDS])
        if (letters := _letters(word))
    ]
    whole = [
        Window(range(row[0][0], row[-1][0] + 1), "".join(letters for _, letters in row))
        for length in range(1, _LONGEST_WINDOW + 1)
        for start in range(len(spelled) - length + 1)
        if (row := spelled[start : start + length])
    ]
    parts = [
        Window(range(place, place + 1), letters)
        for place, _ in spelled
        for form in forms_in(words[place], language)
        if (letters := _letters(form.text))
    ]
    return whole + parts


def likenesses(keys: SearchKeys, windows: Sequence[str], *, least_letters: float = 0.0) -> Likeness:
    """
    The similarity of each term to each window, `[terms, windows]`.

    It is 0 where that of the letters alone is below `least_letters`.
    """
    letters = _likeness(keys.letters, windows)
    sounds = _likeness(keys.sounds, [_sound(window) for window in windows])
    likeness: Likeness = np.maximum(letters, np.float32(_SOUND_ALONE) * sounds)
    if least_letters:
        likeness[letters < least_letters] = 0.0
    return likeness


def _likenesses(terms: Sequence[str], heard: str, language: str) -> Likeness:
    """For each term its similarity to some words of `heard`, at most 100; 0 if nothing was heard."""
    windows = sorted({window.letters for window in windows_of(heard.split(), language)})
    if not windows or not terms:
        return np.zeros(len(terms), dtype=np.float32)
    best: Likeness = likenesses(search_keys(tuple(terms)), windows).max(axis=1)
    return best


def _likeness(keys: Sequence[str], windows: Sequence[str]) -> Likeness:
    """The similarity of each key to each window; short keys must match more closely."""
    ratio = process.cdist(keys, windows, scorer=fuzz.ratio, dtype=np.float32)
    weight = 2.0 / np.array([max(1, len(key)) for key in keys], dtype=np.float32)[:, np.newaxis]
    likeness: Likeness = ratio * (1.0 + weight) - 100.0 * weight
    return likeness


def _letters(text: str) -> str:
    """Only the letters and digits of a text, case folded, without accents."""
    split = unicodedata.normalize("NFKD", text.casefold()).translate(_LETTERS)
    return _NO_LETTER.sub("", "".join(sign for sign in split if not unicodedata.combining(sign)))


def _sound(text: str) -> str:
    """A coarse phonetic key of a text; scripts without such rules keep their letters."""
    key = _letters(text)
    for pattern, sound in _SOUNDS:
        key = pattern.sub(sound, key)
    return key
