"""Gives the words of a final their speakers.  Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from protocol.clock import UPSAMPLING, from_ms
from protocol.dialects.common.turns import TimedWord, timed
from protocol.events import Final, Span, Word

from .voice_encoder import VoiceWindows
from .voice_history import Heard, Stretch, VoiceHistory, assign, assign_all

UNKNOWN_FLAG = "speakers_unknown"
"""Flag of a final whose speakers were asked for and are not known: the weights are missing, or it is too short."""

_REACH = from_ms(600)
"""How far a change of the speaker may be moved to where a turn is likelier to end."""

_SENTENCE = from_ms(400)
"""The end of a sentence makes a turn end there as likely as a pause that is longer by so much."""

_ENDS = (".", "?", "!", "。", "？", "！", "…")


@dataclass(frozen=True, slots=True)
class LabelledFinal:
    """A final whose words have speakers, and what is known of the voices after it."""

    final: Final
    state: bytes


def labelled(final: Final, windows: VoiceWindows | None, state: bytes, most: int) -> LabelledFinal:
    """
    Give each word its speaker.

    `windows`: of the audio of the segment; None if they are not known. `state`: of the channel in Redis. `most`:
    speakers that the channel may have.
    """
    if windows is None:
        return LabelledFinal(_unknown(final), state)
    if not final.words:
        return LabelledFinal(final, state)
    heard = _heard(final, windows)
    known = VoiceHistory.decode(state)
    history = assign(known, heard.segment, heard.centres, heard.vectors, most)
    return LabelledFinal(_spoken(final, history), history.encode())


def assigned_anew(before: bytes, after: bytes) -> list[int]:
    """The numbers of the segments whose speech `labelled` has given other speakers; states as there."""
    known = {(one.segment, one.first): one.speaker for one in VoiceHistory.decode(before).stretches}
    changed = {
        one.segment
        for one in VoiceHistory.decode(after).stretches
        if known.get((one.segment, one.first), one.speaker) != one.speaker
    }
    return sorted(number for number in changed if number >= 0)


def relabelled(final: Final, state: bytes) -> Final:
    """An earlier final with the speakers that `state` gives it; as it is if they are not known any more."""
    history = VoiceHistory.decode(state)
    return _spoken(final, history) if history.of(final.segment.number) else final


def labelled_recording(
    finals: Sequence[Final], windows: Sequence[VoiceWindows | None], most: int
) -> list[Final]:
    """The finals of a channel of a recording with their speakers, decided by all of it; see `labelled`."""
    both = list(zip(finals, windows, strict=True))
    history = assign_all([_heard(final, one) for final, one in both if one is not None], most)
    return [_unknown(final) if one is None else _spoken(final, history) for final, one in both]


def _unknown(final: Final) -> Final:
    return replace(final, flags=(*final.flags, UNKNOWN_FLAG))


def _heard(final: Final, windows: VoiceWindows) -> Heard:
    centres = [final.span.start + int(one) // UPSAMPLING for one in windows.centres]
    return Heard(final.segment.number, centres, windows.vectors)


def _spoken(final: Final, history: VoiceHistory) -> Final:
    words = _words(final.words, final.span, history.of(final.segment.number))
    return replace(final, words=words)


def _words(words: Sequence[Word], span: Span, stretches: Sequence[Stretch]) -> tuple[Word, ...]:
    """The words with speakers.  A change is moved to a pause or the end of a sentence near it."""
    if not words:
        return ()
    spread = timed(words, span)
    turns = [list(group) for _, group in groupby(stretches, key=lambda one: one.speaker)]
    changes = [
        (_boundary(spread, (before[-1].last + after[0].first) // 2), after[0].speaker)
        for before, after in pairwise(turns)
    ]
    found, speaker = [], turns[0][0].speaker
    for word, at in zip(words, spread, strict=True):
        while changes and (at.start + at.end) // 2 >= changes[0][0]:
            speaker = changes.pop(0)[1]
        found.append(replace(word, speaker=speaker))
    return tuple(found)


def _boundary(words: Sequence[TimedWord], change: int) -> int:
    """Where the turn ends: between two words, by pause, end of a sentence, and distance to `change`."""
    found = [
        (_likelihood(before, after, change), (before.end + after.start) // 2)
        for before, after in pairwise(words)
        if abs((before.end + after.start) // 2 - change) <= _REACH
    ]
    return max(found)[1] if found else change


def _likelihood(before: TimedWord, after: TimedWord, change: int) -> int:
    ends = _SENTENCE if before.text.rstrip("\"'»”’)").endswith(_ENDS) else 0
    return after.start - before.end + ends - abs((before.end + after.start) // 2 - change) // 2
