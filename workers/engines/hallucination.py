"""
What a recogniser must not be believed: loops, and words made of no speech.

Every guard needs two witnesses, because what it takes away is gone: that a phrase comes round again and again is
one, people read out numbers; that the audio cannot hold it, or that the recogniser was not sure of it, is another.
Pure.  Thresholds were measured on telephone prompts, numbers read out, one real call and made sounds; see each.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from protocol.events import Withheld

from .base import Samples

_FRAME = 320
"""20 ms at 16 kHz."""

_DOUBTFUL, _UNLIKELY = 0.3, -1.0
_NOTHING, _LIKELY = 0.65, -0.75

_NO_SENSE = -2.0
"""Mean log-probability under which words need no mention: nobody would take them for speech."""

_QUIET, _SILENT = -45.0, -70.0
"""dBFS.  Crosstalk of the other party lies under the first; under the second a 16-bit line has hardly a word."""

_SURE = -0.6
"""Mean log-probability from which words on a quiet line stand: crosstalk lay under it."""

_TIMES_SAID = 5
"""In half a minute nobody says a name more often; a recogniser prompted with it has said it 79 times."""

_MOSTLY_LISTED = 0.5
"""Share of a longer text that names may make up."""

_ALLOWED = ((1, 8), (2, 5), (3, 3))
"""How often a phrase may be said in a row before it is suspect, by its number of words; longer ones as of three."""

_ALLOWED_IN_WORD = ((1, 8), (2, 5), (3, 4))
"""The same for signs inside one word: `1,000,000,000,000` is a number that people say."""

_LONGEST_UNIT = 12
"""Signs that are looked at as the unit of a loop inside a word."""

_SECONDS_A_DIGIT, _SECONDS_A_LETTER, _SECONDS_A_WORD = 0.12, 0.03, 0.08
"""Nobody speaks faster: quick speech has 6 syllables a second, a quick reader 6 digits."""


@dataclass(frozen=True, slots=True)
class Said:
    """A word as an engine wrote it, and what the engine knows of it."""

    text: str
    log_prob: float = 0.0
    """Mean over its tokens."""

    seconds: float | None = None
    """How long it lasts in the audio, where the engine knows."""


@dataclass(frozen=True, slots=True)
class LoopCut:
    """What is left of a text: for each word its place among those that were said, and how it is written now."""

    words: tuple[tuple[int, str], ...]
    looped: bool


@dataclass(frozen=True, slots=True)
class _Loop:
    """`rounds` times the `length` words from `start` on."""

    start: int
    length: int
    rounds: int

    @property
    def end(self) -> int:
        return self.start + self.length * self.rounds


def without_loops(words: Sequence[Said], seconds: float, *, complete: bool) -> LoopCut:
    """
    `words` less all rounds but the first of every loop; what lies behind a loop is kept.

    `seconds`: length of the audio.  `complete`: the text came to its end by itself, and not to the longest that
    the audio can hold.
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
    """Whether a phrase comes round more often than people say it, by the text alone: one witness."""
    return next(_loops([_bare(word) for word in words]), None) is not None


def carried_away(words: Sequence[str], keywords: Sequence[str]) -> bool:
    """Whether being told of `keywords` made a recogniser loop, say one over and over, or read the list out."""
    text = " ".join(words).casefold()
    listed = {part for term in keywords for part in term.casefold().split()}
    share = fmean(_bare(word) in listed for word in words) if len(words) > _TIMES_SAID else 0.0
    said_often = any(text.count(term.casefold()) > _TIMES_SAID for term in keywords)
    return is_looping(words) or said_often or share > _MOSTLY_LISTED


def believable(nothing: float, log_probs: Sequence[float], *, complete: bool = True) -> bool:
    """
    Whether words stand, although the model gave `nothing` (0 to 1) to there being none.

    Measured on telephone audio: in most speech `nothing` stays under 0.3, and words of real speech above that had
    a mean log-probability over -0.6; words drawn out of music, tones and crosstalk lay under -0.9, and those of a
    tone that lay higher never came to an end.  Numbers read out have `nothing` of up to 0.98.
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
    Why words do not stand, if they do not.  `level` is that of the audio in dBFS, see `loudness`.

    A quiet line alone takes no words away: they have to be unsure as well.
    """
    if log_probs and level < _QUIET and (level < _SILENT or fmean(log_probs) < _SURE):
        return Withheld.TOO_QUIET
    if not believable(nothing, log_probs, complete=complete):
        return Withheld.IMPROBABLE
    return None


def is_worth_a_flag(nothing: float, log_probs: Sequence[float]) -> bool:
    """Whether withheld words could have been speech: where the model is sure of nothing and unsure of them, not."""
    return nothing < _NOTHING or fmean(log_probs) > _NO_SENSE


def loudness(samples: Samples) -> float:
    """Level of the loudest fifth of a second, in dB below full scale; silence is -120."""
    frames = len(samples) // _FRAME
    if not frames:
        return _decibels(float(np.mean(np.square(samples)))) if len(samples) else -120.0
    power = np.square(samples[: frames * _FRAME]).reshape(frames, _FRAME).mean(axis=1)
    window = min(10, frames)
    return _decibels(float(np.convolve(power, np.ones(window) / window, mode="valid").max()))


def least_seconds(text: str) -> float:
    """How long saying `text` takes at least."""
    return sum(
        max(
            _SECONDS_A_WORD,
            _SECONDS_A_DIGIT * sum(sign.isdigit() for sign in word)
            + _SECONDS_A_LETTER * sum(sign.isalpha() for sign in word),
        )
        for word in text.split()
    )


def _is_doubtful(loop: _Loop, words: Sequence[Said], seconds: float, *, complete: bool) -> bool:
    """The second witness against a loop: it has no end, no place in the audio, or no likelihood."""
    said = words[loop.start : loop.end]
    endless = not complete and _is_round_begun(words[loop.end :], said[: loop.length])
    room = seconds
    if all(word.seconds is not None for word in said):
        room = sum(word.seconds or 0.0 for word in said)
    too_long = least_seconds(" ".join(word.text for word in said)) > room
    return endless or too_long or fmean(word.log_prob for word in said) < _UNLIKELY


def _is_round_begun(behind: Sequence[Said], phrase: Sequence[Said]) -> bool:
    """Whether `behind`, all that follows a loop, is only the beginning of one more round."""
    if len(behind) >= len(phrase):
        return not behind
    pairs = list(zip(behind, phrase, strict=False))
    whole = all(_bare(one.text) == _bare(other.text) for one, other in pairs[:-1])
    return not pairs or (whole and _bare(pairs[-1][1].text).startswith(_bare(pairs[-1][0].text)))


def _loops(said: Sequence[str]) -> Iterator[_Loop]:
    """The stretches in which a phrase comes round once too often, from left to right."""
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
    """A word less all but the first round of a loop of signs that the audio cannot hold."""
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
    """`cut`, moved to the end of a group of digits where signs part them: `100,000` and not `100,0`."""
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
    """How often the `length` words at `at` are said in a row."""
    phrase, rounds = said[at : at + length], 1
    while said[at + rounds * length : at + (rounds + 1) * length] == phrase:
        rounds += 1
    return rounds


def _allowed(table: Sequence[tuple[int, int]], length: int) -> int:
    return dict(table).get(length, table[-1][1])


def _decibels(power: float) -> float:
    return 10 * float(np.log10(max(power, 1e-12)))
