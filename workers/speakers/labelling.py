"""Gives the words of a final their speakers.  Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from protocol.calls.call import NO_ROLES, RoleRule
from protocol.clock import UPSAMPLING, from_ms
from protocol.dialects.common.turns import TimedWord, timed
from protocol.events import Final, Span, Word

from .greetings import greetings
from .roles import Roles, roles_of
from .voice_encoder import VoiceWindows
from .voice_history import LIVE, Detail, Heard, Stretch, VoiceHistory, assign, assign_all

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


def labelled(
    final: Final,
    windows: VoiceWindows | None,
    state: bytes,
    most: int,
    detail: Detail = LIVE,
    rule: RoleRule = NO_ROLES,
) -> LabelledFinal:
    """
    Give each word its speaker, and the role of the speaker if it is known.

    `windows`: of the audio of the segment; None if they are not known. `state`: of the channel in Redis. `most`:
    speakers that the channel may have. `detail`: of the state.
    """
    if windows is None:
        return LabelledFinal(_unknown(final), state)
    if not final.words:
        return LabelledFinal(final, state)
    heard = _heard(final, windows)
    known = VoiceHistory.decode(state)
    history = assign(known, heard.segment, heard.centres, heard.vectors, most, detail)
    if not history.of(heard.segment):  # it came late, and was put together with what is long past
        return LabelledFinal(_unknown(final), history.encode())
    history = _greeted(final, history)
    return LabelledFinal(_spoken(final, history, roles_of(history, rule)), history.encode())


def assigned_anew(before: bytes, after: bytes) -> list[int]:
    """
    The numbers of the segments that have other speakers since a further voice was told apart.

    States as in `labelled`. Other changes are left out: they make as many words wrong as right
    (`bench/speakers.py`).
    """
    old, new = VoiceHistory.decode(before).stretches, VoiceHistory.decode(after).stretches
    if len({one.speaker for one in new}) <= len({one.speaker for one in old}):
        return []
    known = {(one.segment, one.first): one.speaker for one in old}
    changed = {
        one.segment
        for one in new
        if known.get((one.segment, one.first), one.speaker) != one.speaker
    }
    return sorted(number for number in changed if number >= 0)


def with_new_roles(before: bytes, after: bytes, rule: RoleRule) -> list[int]:
    """The numbers of all segments, if the roles of the speakers have changed.  States as in `labelled`."""
    old, new = VoiceHistory.decode(before), VoiceHistory.decode(after)
    if roles_of(old, rule) == roles_of(new, rule):
        return []
    return sorted({one.segment for one in old.stretches if one.segment >= 0})


def relabelled(final: Final, state: bytes, rule: RoleRule = NO_ROLES) -> Final:
    """
    An earlier final with the speakers and roles that `state` gives it.

    As it is, if its speakers are not known any more.
    """
    history = VoiceHistory.decode(state)
    if not history.of(final.segment.number):
        return final
    return _spoken(final, history, roles_of(history, rule))


def labelled_recording(
    finals: Sequence[Final],
    windows: Sequence[VoiceWindows | None],
    most: int,
    rule: RoleRule = NO_ROLES,
) -> list[Final]:
    """The finals of a channel of a recording with their speakers, decided by all of it; see `labelled`."""
    both = list(zip(finals, windows, strict=True))
    history = assign_all([_heard(final, one) for final, one in both if one is not None], most)
    for final, one in both:
        history = history if one is None else _greeted(final, history)
    roles = roles_of(history, rule)
    return [
        _unknown(final) if one is None else _spoken(final, history, roles) for final, one in both
    ]


def _greeted(final: Final, history: VoiceHistory) -> VoiceHistory:
    """The history with the greetings in a final.  What two speakers share is none."""
    if not final.words:
        return history
    number = final.segment.number
    words = _words(final.words, final.span, history.of(number))
    spread = timed(words, final.span)
    for one in greetings([word.text for word in words], final.language):
        inside = spread[one.first : one.last + 1]
        if len({word.speaker for word in inside}) == 1:
            history = history.greeted(number, (inside[0].start + inside[-1].end) // 2)
    return history


def _unknown(final: Final) -> Final:
    return replace(final, flags=(*final.flags, UNKNOWN_FLAG))


def _heard(final: Final, windows: VoiceWindows) -> Heard:
    centres = [final.span.start + int(one) // UPSAMPLING for one in windows.centres]
    return Heard(final.segment.number, centres, windows.vectors)


def _spoken(final: Final, history: VoiceHistory, roles: Roles) -> Final:
    words = _words(final.words, final.span, history.of(final.segment.number))
    return replace(final, words=tuple(_in_role(word, roles) for word in words))


def _in_role(word: Word, roles: Roles) -> Word:
    role = None if word.speaker is None else roles.get(word.speaker)
    return replace(word, role=role)


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
