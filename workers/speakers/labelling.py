"""Gives the words of a final their speakers.  Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from protocol.clock import UPSAMPLING
from protocol.dialects.common.turns import TimedWord, timed
from protocol.events import Final, Word

from .clustering import KnownSpeakers, assign
from .voice_encoder import VoiceWindows

UNKNOWN_FLAG = "speakers_unknown"
"""Flag of a final whose speakers were asked for and are not known: the weights are missing, or it is too short."""


@dataclass(frozen=True, slots=True)
class LabelledFinal:
    """A final whose words have speakers, and what is known of the speakers after it."""

    final: Final
    state: bytes


def labelled(final: Final, windows: VoiceWindows | None, state: bytes, most: int) -> LabelledFinal:
    """
    Give each word the speaker of the window whose centre is nearest.

    `windows`: of the audio of the segment; None if they are not known. `state`: of the channel in Redis. `most`:
    speakers that the channel may have.  A change of the speaker is moved to the longest pause between two windows.
    """
    if windows is None:
        return LabelledFinal(replace(final, flags=(*final.flags, UNKNOWN_FLAG)), state)
    if not final.words:
        return LabelledFinal(final, state)
    assigned = assign(KnownSpeakers.decode(state), windows.vectors, most)
    centres = [final.span.start + int(one) // UPSAMPLING for one in windows.centres]
    words = _words(final, centres, assigned.speakers)
    return LabelledFinal(replace(final, words=words), assigned.known.encode())


def _words(final: Final, centres: Sequence[int], speakers: Sequence[int]) -> tuple[Word, ...]:
    spread = timed(final.words, final.span)
    changes = [
        (_pause(spread, centres[place], centres[place + 1]), after)
        for place, (before, after) in enumerate(pairwise(speakers))
        if before != after
    ]
    found, speaker = [], speakers[0]
    for word, at in zip(final.words, spread, strict=True):
        while changes and (at.start + at.end) // 2 >= changes[0][0]:
            speaker = changes.pop(0)[1]
        found.append(replace(word, speaker=speaker))
    return tuple(found)


def _pause(words: Sequence[TimedWord], first: int, last: int) -> int:
    """The middle of the longest pause between two words inside `first` to `last`; else the middle of the two."""
    pauses = [
        (after.start - before.end, (before.end + after.start) // 2)
        for before, after in pairwise(words)
        if first <= (before.end + after.start) // 2 <= last
    ]
    return max(pauses)[1] if pauses else (first + last) // 2
