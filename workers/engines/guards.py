"""
What a recogniser must not be believed: loops, and words made of no speech.

Pure.  Thresholds were measured on telephone prompts, one real call and made sounds; see each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from ..engine import Samples

_FRAME = 320
"""20 ms at 16 kHz."""

_DOUBTFUL = 0.3
_UNLIKELY = -1.0

_TIMES_SAID = 5
"""In half a minute nobody says a name more often; a recogniser prompted with it has said it 79 times."""

_MOSTLY_LISTED = 0.5
"""Share of a longer text that names may make up."""

_ALLOWED = ((1, 8), (2, 5), (3, 3))
"""
How often a phrase may be said in a row, by its number of words; longer phrases as those of three.

Numbers are read out as words: a telephone number may hold one digit six times.
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """The words of a text up to the second round of its first loop."""

    words: int
    looped: bool


def without_loop(words: Sequence[str]) -> Kept:
    """How many of `words` to keep: all, or those before a phrase comes round once too often."""
    said = [_bare(word) for word in words]
    for at in range(len(said)):
        for length in range(1, (len(said) - at) // 2 + 1):
            if _rounds(said, at, length) > _allowed(length):
                return Kept(at + length, looped=True)
    return Kept(len(said), looped=False)


def carried_away(words: Sequence[str], keywords: Sequence[str]) -> bool:
    """Whether being told of `keywords` made a recogniser loop, say one over and over, or read the list out."""
    text = " ".join(words).casefold()
    listed = {part for term in keywords for part in term.casefold().split()}
    share = fmean(_bare(word) in listed for word in words) if len(words) > _TIMES_SAID else 0.0
    said_often = any(text.count(term.casefold()) > _TIMES_SAID for term in keywords)
    return without_loop(words).looped or said_often or share > _MOSTLY_LISTED


def believable(nothing: float, log_probs: Sequence[float]) -> bool:
    """
    Whether words stand, although the model gave `nothing` (0 to 1) to there being none.

    Measured on telephone audio: in speech `nothing` stays under 0.3, and words of real speech above that had a mean
    log-probability over -0.6; words drawn out of music, tones and crosstalk lay under -1.4.
    """
    return nothing < _DOUBTFUL or not log_probs or fmean(log_probs) > _UNLIKELY


def loudness(samples: Samples) -> float:
    """Level of the loudest fifth of a second, in dB below full scale; silence is -120."""
    frames = len(samples) // _FRAME
    if not frames:
        return _decibels(float(np.mean(np.square(samples)))) if len(samples) else -120.0
    power = np.square(samples[: frames * _FRAME]).reshape(frames, _FRAME).mean(axis=1)
    window = min(10, frames)
    return _decibels(float(np.convolve(power, np.ones(window) / window, mode="valid").max()))


def _bare(word: str) -> str:
    return word.strip(".,!?;:").casefold()


def _rounds(said: Sequence[str], at: int, length: int) -> int:
    """How often the `length` words at `at` are said in a row."""
    phrase, rounds = said[at : at + length], 1
    while said[at + rounds * length : at + (rounds + 1) * length] == phrase:
        rounds += 1
    return rounds


def _allowed(length: int) -> int:
    return dict(_ALLOWED).get(length, _ALLOWED[-1][1])


def _decibels(power: float) -> float:
    return 10 * float(np.log10(max(power, 1e-12)))
