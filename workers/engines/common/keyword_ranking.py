"""
Ranks the keywords of a long list by how much they sound like the speech in one segment.

Pure.  The text of a first, unbiased pass is compared with every term, by letters and by a coarse phonetic key: an
engine writes a name that it does not know with other letters, but seldom with other sounds.
"""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from rapidfuzz import fuzz, process

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


def by_sound(terms: Sequence[str], heard: str) -> tuple[str, ...]:
    """
    Sort `terms`: first those that sound most like some words of `heard`; equal ones keep their order.

    The work is bounded: 800 comparisons of a few letters for each term, about 30 ms for 500 terms and half a minute
    of speech.
    """
    likeness = _likenesses(terms, heard)
    order = sorted(range(len(terms)), key=lambda place: -likeness[place])
    return tuple(terms[place] for place in order)


def sounding_like(terms: Sequence[str], heard: str, least: float) -> tuple[str, ...]:
    """The `terms` whose similarity to some words of `heard` is at least `least`, of 100, in their order."""
    likeness = _likenesses(terms, heard)
    return tuple(term for term, value in zip(terms, likeness, strict=True) if value >= least)


def in_order(chosen: Sequence[str], terms: Sequence[str]) -> tuple[str, ...]:
    """The `chosen` ones of `terms`, in the order of `terms`."""
    wanted = set(chosen)
    return tuple(term for term in terms if term in wanted)


def _likenesses(terms: Sequence[str], heard: str) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """For each term its similarity to some words of `heard`, at most 100; 0 if nothing was heard."""
    windows = _windows(heard)
    if not windows or not terms:
        return np.zeros(len(terms))
    sounds = _likeness([_sound(term) for term in terms], [_sound(window) for window in windows])
    return np.maximum(_likeness([_letters(term) for term in terms], windows), _SOUND_ALONE * sounds)


def _windows(heard: str) -> list[str]:
    """All sequences of up to four words of a text, without spaces."""
    words = [letters for word in heard.split()[:_MOST_WORDS] if (letters := _letters(word))]
    rows = {
        "".join(words[start : start + length])
        for length in range(1, _LONGEST_WINDOW + 1)
        for start in range(len(words) - length + 1)
    }
    return sorted(rows)


def _likeness(
    keys: Sequence[str], windows: Sequence[str]
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """For each key its similarity to the most similar window, at most 100; short keys must match more closely."""
    best = process.cdist(keys, windows, scorer=fuzz.ratio).max(axis=1).astype(np.float64)
    lengths = np.array([max(1, len(key)) for key in keys])
    likeness: np.ndarray[tuple[int], np.dtype[np.float64]] = best - (100.0 - best) * 2.0 / lengths
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
