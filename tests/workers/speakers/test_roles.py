"""Which speaker of a mixed channel is the agent: by order of first speech, or by greeting."""

import pytest
from support.voices import ANNA, BERT, CARA, final_of, windows_of

from protocol.calls.call import BY_GREETING, NO_ROLES, Role, RoleRule
from protocol.events import Final
from workers.speakers.labelling import (
    UNKNOWN_FLAG,
    labelled,
    labelled_recording,
    relabelled,
    with_new_roles,
)
from workers.speakers.voice_encoder import Floats
from workers.speakers.voice_history import Detail

INBOUND = RoleRule((Role.AGENT, Role.CUSTOMER))
OUTBOUND = RoleRule((Role.CUSTOMER, Role.AGENT))
HELLO, GREETING = "Hello?", "Thank you for calling Acme."


def call(*turns: tuple[Floats, str], rule: RoleRule = BY_GREETING, most: int = 2) -> list[Final]:
    """The finals of a live call: 4 s for each turn."""
    state, finals = b"", []
    for number, (voice, text) in enumerate(turns):
        heard = final_of(number, text, seconds=4)
        found = labelled(heard, windows_of(*[voice] * 4), state, most, rule=rule)
        state = found.state
        finals.append(found.final)
    return finals


def roles(finals: list[Final]) -> list[Role | None]:
    """The role of each final; each is said by one speaker."""
    assert all(len({word.role for word in one.words}) == 1 for one in finals)
    return [one.words[0].role for one in finals]


@pytest.mark.parametrize(
    ("rule", "first", "second", "expected"),
    [
        (BY_GREETING, GREETING, HELLO, Role.CUSTOMER),
        (BY_GREETING, HELLO, GREETING, Role.AGENT),
        (BY_GREETING, HELLO, "I have a question.", None),  # nobody greets
        (BY_GREETING, GREETING, "Thank you for calling me back.", Role.CUSTOMER),
        (BY_GREETING, "Acme.", "Thank you for calling me back.", None),
        (BY_GREETING, GREETING, "How can I help?", None),  # both greet
        (NO_ROLES, GREETING, HELLO, None),
        (INBOUND, HELLO, GREETING, Role.CUSTOMER),
        (OUTBOUND, HELLO, GREETING, Role.AGENT),
    ],
)
def test_the_role_of_the_second_speaker(
    rule: RoleRule, first: str, second: str, expected: Role | None
) -> None:
    assert roles(call((ANNA, first), (BERT, second), rule=rule))[1] == expected


@pytest.mark.parametrize("rule", [BY_GREETING, INBOUND])
def test_one_voice_has_no_role(rule: RoleRule) -> None:
    assert roles(call((ANNA, GREETING), (ANNA, HELLO), rule=rule)) == [None, None]


def test_of_three_speakers_only_the_one_who_greets_has_a_role() -> None:
    said = call((ANNA, GREETING), (BERT, HELLO), (CARA, "Hi."), (ANNA, "So."), most=3)

    assert roles(said)[2:] == [None, Role.AGENT]


def test_a_greeting_late_in_the_speech_of_a_speaker_does_not_count() -> None:
    """The called party may say it as a goodbye."""
    talk = [(voice, "So.") for _ in range(4) for voice in (ANNA, BERT)]

    assert roles(call(*talk, (BERT, "Thank you for calling, goodbye."))) == [None] * 9


def test_a_phrase_of_two_speakers_is_no_greeting() -> None:
    heard = final_of(0, "Thank you. For calling Acme.", seconds=6)

    found = labelled(heard, windows_of(*[ANNA] * 3, *[BERT] * 3), b"", 2, rule=BY_GREETING)

    assert {word.speaker for word in found.final.words} == {0, 1}
    assert {word.role for word in found.final.words} == {None}


def test_roles_that_become_known_are_given_to_earlier_finals() -> None:
    first = labelled(final_of(0, GREETING), windows_of(*[ANNA] * 3), b"", 2, rule=BY_GREETING)
    second = labelled(final_of(1, HELLO), windows_of(*[BERT] * 3), first.state, 2, rule=BY_GREETING)
    third = labelled(final_of(2, HELLO), windows_of(*[ANNA] * 3), second.state, 2, rule=BY_GREETING)

    assert with_new_roles(b"", first.state, BY_GREETING) == []
    assert with_new_roles(first.state, second.state, BY_GREETING) == [0]
    assert with_new_roles(second.state, third.state, BY_GREETING) == []
    assert roles([first.final]) == [None]
    assert roles([relabelled(first.final, second.state, BY_GREETING)]) == [Role.AGENT]


def test_a_recording_has_roles_from_its_first_word_on() -> None:
    finals = [final_of(0, HELLO), final_of(1, GREETING)]

    found = labelled_recording(
        finals, [windows_of(*[ANNA] * 3), windows_of(*[BERT] * 3)], 2, BY_GREETING
    )

    assert roles(found) == [Role.CUSTOMER, Role.AGENT]


def test_a_final_that_comes_after_speech_behind_it_was_put_together_has_no_speakers() -> None:
    """The worker of the first segment was killed: the segment is transcribed again, behind later ones."""
    state, brief = b"", Detail(longest=4, most=2)
    for number, voice in ((1, BERT), (2, ANNA), (3, BERT), (4, ANNA), (0, ANNA)):
        heard = final_of(number, HELLO if number else GREETING, seconds=4)
        found = labelled(heard, windows_of(*[voice] * 4), state, 2, brief, BY_GREETING)
        state = found.state

    assert found.final.text == GREETING
    assert {(word.speaker, word.role) for word in found.final.words} == {(None, None)}
    assert found.final.flags == (UNKNOWN_FLAG,)
