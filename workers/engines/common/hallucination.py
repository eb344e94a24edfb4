"""
Filters against hallucinated text: repetition loops, and words where there is no speech.

Each filter needs two independent criteria, because removed words are lost.  A repeated phrase is only one
criterion, because people read out numbers; the second is that the audio is too short for it, or that the recogniser
was unsure.  Pure.  The thresholds were measured on telephone prompts, numbers read out, one real call and synthetic
sounds.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from protocol.events import Withheld

from ..base import Samples

_FRAME = 320
"""20 ms at 16 kHz."""

_DOUBTFUL, _UNLIKELY = 0.3, -1.0
_NOTHING, _LIKELY = 0.65, -0.75

_NO_SENSE = -2.0
"""Mean log-probability below which withheld words get no flag: they are certainly not speech."""

_QUIET, _SILENT = -45.0, -70.0
"""dBFS.  Crosstalk of the other party lies below the first value; below the second, 16-bit audio holds no words."""

_SURE = -0.6
"""Mean log-probability above which words on a quiet line are kept: crosstalk was below it."""

_TIMES_SAID = 5
"""Nobody says a name more often in half a minute; a recogniser with the name in its prompt wrote it 79 times."""

_MOSTLY_LISTED = 0.5
"""Largest share of a longer text that keywords may have."""

_ALLOWED = ((1, 8), (2, 5), (3, 3))
"""(words in a phrase, allowed repetitions in a row).  Longer phrases are treated like phrases of three words."""

_ALLOWED_IN_WORD = ((1, 8), (2, 5), (3, 4))
"""The same for characters inside one word: `1,000,000,000,000` is a number that people say."""

_LONGEST_UNIT = 12
"""Longest unit of a loop inside a word, in characters."""

_SECONDS_A_DIGIT, _SECONDS_A_LETTER, _SECONDS_A_WORD = 0.12, 0.03, 0.08
"""Shortest durations: fast speech has 6 syllables a second, a fast reader says 6 digits a second."""


@dataclass(frozen=True, slots=True)
class WordEvidence:
    """A word as an engine wrote it, with its probability and duration."""

    text: str
    log_prob: float = 0.0
    """Mean over its tokens."""

    seconds: float | None = None
    """Duration of the word in the audio; None where the engine does not know it."""


@dataclass(frozen=True, slots=True)
class LoopCut:
    """A text after loops were cut: for each word its index among the input words, and its new spelling."""

    words: tuple[tuple[int, str], ...]
    looped: bool


@dataclass(frozen=True, slots=True)
class _Loop:
    """A phrase of `length` words that begins at index `start` and is said `rounds` times."""

    start: int
    length: int
    rounds: int

    @property
    def end(self) -> int:
        return self.start + self.length * self.rounds


def without_loops(words: Sequence[WordEvidence], seconds: float, *, complete: bool) -> LoopCut:
    """
    Remove all repetitions but the first of every loop; words after a loop are kept.

    `seconds`: length of the audio.  `complete`: the engine ended the text itself, rather than at the limit of
    length.
    """
    kept: list[tuple[int, str]] = []
    looped, place = False, 0
    for loop in _loops([_bare(word.text) for word in words]):
        if not _is_doubtful(loop, words, seconds, complete=complete):
            continue
        kept += [(at, words[at].text) for at in range(place, loop.start + loop.length)]
        looped, place = True, loop.end
        if _is_round_begun(words[loop.end :], words[loop.start : loop.start + loop.length]):
            place = len(words)
    kept += [(at, words[at].text) for at in range(place, len(words))]
    last = len(words) - 1
    shortened = tuple(
        (at, _without_loop_inside(text, seconds, complete=complete or at != last))
        for at, text in kept
    )
    return LoopCut(shortened, looped or list(shortened) != kept)


def is_looping(words: Sequence[str]) -> bool:
    """Whether a phrase is repeated more often than people do, by the text alone: this is one criterion."""
    return next(_loops([_bare(word) for word in words]), None) is not None


def carried_away(words: Sequence[str], keywords: Sequence[str]) -> bool:
    """Whether `keywords` in the prompt made a recogniser loop, repeat one of them, or write out the list."""
    text = " ".join(words).casefold()
    listed = {part for term in keywords for part in term.casefold().split()}
    share = fmean(_bare(word) in listed for word in words) if len(words) > _TIMES_SAID else 0.0
    said_often = any(text.count(term.casefold()) > _TIMES_SAID for term in keywords)
    return is_looping(words) or said_often or share > _MOSTLY_LISTED


def believable(nothing: float, log_probs: Sequence[float], *, complete: bool = True) -> bool:
    """
    Whether words are kept, given the model's probability `nothing` (0 to 1) that there are none.

    Measured on telephone audio: for most speech `nothing` is below 0.3; above that, words of real speech had a mean
    log-probability above -0.6.  Words invented from music, tones and crosstalk were below -0.9, except for a tone
    whose text did not end.  Numbers read out have `nothing` of up to 0.98.
    """
    if nothing < _DOUBTFUL or not log_probs:
        return True
    mean = fmean(log_probs)
    if nothing < _NOTHING:
        return mean > _UNLIKELY
    return complete and mean > _LIKELY


def withheld(
    level: float, nothing: float, log_probs: Sequence[float], *, complete: bool = True
) -> Withheld | None:
    """
    The reason to withhold the words, or None.  `level`: level of the audio in dBFS, see `loudness`.

    A quiet line alone is not enough to withhold words: their probability must be low too.
    """
    if log_probs and level < _QUIET and (level < _SILENT or fmean(log_probs) < _SURE):
        return Withheld.TOO_QUIET
    if not believable(nothing, log_probs, complete=complete):
        return Withheld.IMPROBABLE
    return None


def is_worth_a_flag(nothing: float, log_probs: Sequence[float]) -> bool:
    """Whether withheld words may have been speech: not if the model finds neither speech nor likely words."""
    return nothing < _NOTHING or fmean(log_probs) > _NO_SENSE


def loudness(samples: Samples) -> float:
    """Level of the loudest 0.2 s in dBFS; silence is -120."""
    frames = len(samples) // _FRAME
    if not frames:
        return _decibels(float(np.mean(np.square(samples)))) if len(samples) else -120.0
    power = np.square(samples[: frames * _FRAME]).reshape(frames, _FRAME).mean(axis=1)
    window = min(10, frames)
    return _decibels(float(np.convolve(power, np.ones(window) / window, mode="valid").max()))


def least_seconds(text: str) -> float:
    """The shortest time in which `text` can be said, in seconds."""
    return sum(
        max(
            _SECONDS_A_WORD,
            _SECONDS_A_DIGIT * sum(sign.isdigit() for sign in word)
            + _SECONDS_A_LETTER * sum(sign.isalpha() for sign in word),
        )
        for word in text.split()
    )


def _is_doubtful(
    loop: _Loop, words: Sequence[WordEvidence], seconds: float, *, complete: bool
) -> bool:
    """The second criterion for a loop: it has no end, the audio is too short for it, or it is improbable."""
    said = words[loop.start : loop.end]
    endless = not complete and _is_round_begun(words[loop.end :], said[: loop.length])
    room = seconds
    if all(word.seconds is not None for word in said):
        room = sum(word.seconds or 0.0 for word in said)
    too_long = least_seconds(" ".join(word.text for word in said)) > room
    return endless or too_long or fmean(word.log_prob for word in said) < _UNLIKELY


def _is_round_begun(behind: Sequence[WordEvidence], phrase: Sequence[WordEvidence]) -> bool:
    """Whether `behind`, all words after a loop, is only the beginning of one more repetition."""
    if len(behind) >= len(phrase):
        return not behind
    pairs = list(zip(behind, phrase, strict=False))
    whole = all(_bare(one.text) == _bare(other.text) for one, other in pairs[:-1])
    return not pairs or (whole and _bare(pairs[-1][1].text).startswith(_bare(pairs[-1][0].text)))


def _loops(said: Sequence[str]) -> Iterator[_Loop]:
    """The loops in a text, from left to right: phrases that are repeated more often than allowed."""
    at = 0
    while at < len(said):
        found = next(
            (
                _Loop(at, length, rounds)
                for length in range(1, (len(said) - at) // 2 + 1)
                if (rounds := _rounds(said, at, length)) > _allowed(_ALLOWED, length)
            ),
            None,
        )
        if found is not None:
            yield found
        at = found.end if found is not None else at + 1


def _without_loop_inside(text: str, seconds: float, *, complete: bool) -> str:
    """A word with only the first repetition of a loop of characters for which the audio is too short."""
    for unit in range(1, min(_LONGEST_UNIT, len(text) // 2) + 1):
        most = _allowed(_ALLOWED_IN_WORD, unit)
        for found in re.finditer(rf"(.{{{unit}}})\1{{{most},}}", text):
            endless = not complete and len(text) - found.end() < unit
            unsayable = any(not sign.isalnum() for sign in found[1]) and "000" in found[1]
            if endless or unsayable or least_seconds(text) > seconds:
                behind = "" if endless else text[found.end() :]
                return text[: _whole_group(text, found.start() + unit, found[1])] + behind
    return text


def _whole_group(text: str, cut: int, unit: str) -> int:
    """`cut`, moved to the end of a group of digits if commas separate them: `100,000` and not `100,0`."""
    if unit.isalnum():
        return cut
    if not text[cut - 1].isalnum():
        return cut - 1
    while cut < len(text) and text[cut].isalnum():
        cut += 1
    return cut


def _bare(word: str) -> str:
    return word.strip(".,!?;:").casefold()


def _rounds(said: Sequence[str], at: int, length: int) -> int:
    """How often the phrase of `length` words at index `at` is repeated in a row."""
    phrase, rounds = said[at : at + length], 1
    while said[at + rounds * length : at + (rounds + 1) * length] == phrase:
        rounds += 1
    return rounds


def _allowed(table: Sequence[tuple[int, int]], length: int) -> int:
    return dict(table).get(length, table[-1][1])


def _decibels(power: float) -> float:
    return 10 * float(np.log10(max(power, 1e-12)))
