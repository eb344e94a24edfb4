import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.events import Withheld
from workers.engines.common.hallucination import (
    WordEvidence,
    believable,
    carried_away,
    loudness,
    withheld,
    without_loops,
)

LONG = 60.0
"""Seconds of audio in which all that is said here has room."""


def kept(text: str, seconds: float = LONG, *, log_prob: float = -0.1, complete: bool = True) -> str:
    """The rest of a text that an engine gave for audio of this length."""
    words = [WordEvidence(word, log_prob) for word in text.split()]
    outcome = without_loops(words, seconds, complete=complete)
    left = " ".join(written for _, written in outcome.words)
    assert outcome.looped == (left != " ".join(text.split()))
    return left


REPEATED = [
    ("okay " + "bye " * 12, "okay bye"),
    ("a " + "decrease or " * 9, "a decrease or"),
    ("a " + "decrease or " * 9 + "decr", "a decrease or"),
    ("so " + "press one to, press one to. " * 4, "so press one to,"),
    ("I see " * 2 + "the end of the line and " * 5, "I see I see the end of the line and"),
    ("it is 100,000,000,000,000,000,000", "it is 100,000"),
]


@pytest.mark.parametrize(("text", "left"), REPEATED)
def test_a_loop_that_never_ended_is_cut_after_its_first_round(text: str, left: str) -> None:
    assert kept(text, complete=False) == left


@pytest.mark.parametrize(("text", "left"), REPEATED)
def test_a_loop_that_the_audio_cannot_hold_is_cut_after_its_first_round(
    text: str, left: str
) -> None:
    assert kept(text, seconds=0.5).startswith(left)


@pytest.mark.parametrize(("text", "left"), REPEATED[:5])
def test_a_loop_that_the_engine_is_not_sure_of_is_cut(text: str, left: str) -> None:
    assert kept(text, log_prob=-1.5).startswith(left)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "thank you for calling",
        "no no no no no no no no no I never ordered that",
        "five five five zero zero zero zero",
        "4242 4242 4242 4242",
        "four two " * 8,
        "5555 5555 5555 4444",
        "Five, " * 12 + "four, four, four, four.",
        "four " + "one " * 15,
        "4-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1",
        "it is 99999999 and 00000000000",
        "1,000,000,000,000",
        "are you there " * 5,
    ],
)
def test_what_was_said_again_and_again_stays(text: str) -> None:
    assert kept(text, seconds=8.0) == " ".join(text.split())


def test_what_lies_behind_a_loop_is_kept() -> None:
    text = "well " + "yes " * 40 + "my name is Jones"

    assert kept(text, seconds=3.0) == "well yes my name is Jones"


def test_a_word_that_has_no_place_in_the_audio_was_not_said() -> None:
    """Whisper gives the words of a loop no length."""
    words = [WordEvidence(word, -0.1, 0.0) for word in ["so", *["no"] * 20]]

    assert [text for _, text in without_loops(words, 20.0, complete=True).words] == ["so", "no"]


@given(
    st.lists(st.sampled_from(["no", "yes", "4", "1", "555", "the", "000,000,"]), max_size=40),
    st.floats(0, 40),
    st.booleans(),
)
def test_words_keep_their_order_and_none_is_made_up(
    said: list[str], seconds: float, complete: bool
) -> None:
    outcome = without_loops([WordEvidence(word) for word in said], seconds, complete=complete)

    places = [place for place, _ in outcome.words]
    assert places == sorted(set(places))
    assert all(said[place].startswith(text) for place, text in outcome.words)
    assert set(said) == {said[place] for place in places}


@pytest.mark.parametrize(
    ("nothing", "log_probs", "complete", "stands"),
    [
        (0.01, [-3.0, -2.0], True, True),                # mumbled, but speech
        (0.40, [-0.2, -0.6], True, True),                # a short word that the model is sure of
        (0.40, [-1.2, -2.6], True, False),               # drawn out of a tone
        (0.90, [], True, True),                          # nothing was said to be believed
        (0.97, [-4.7, *[-0.1] * 27], True, True),        # 5555 5555 5555 4444
        (0.95, [-4.1, -0.2, -0.2, -0.2, -0.2], True, False),  # music: `thank you for watching`
        (0.95, [-6.4, *[-0.3] * 31], False, False),      # a tone: `really, really, really`
        (0.99, [-4.6], True, False),                     # hiss: `you`
    ],
)  # fmt: skip
def test_words_out_of_nothing_are_not_believed(
    nothing: float, log_probs: list[float], complete: bool, stands: bool
) -> None:
    assert believable(nothing, log_probs, complete=complete) is stands


@pytest.mark.parametrize(
    ("level", "log_probs", "reason"),
    [
        (-50.0, [-0.1, -0.3], None),                    # a soft line, clearly understood
        (-50.0, [-0.9, -1.3], Withheld.TOO_QUIET),      # crosstalk
        (-75.0, [-0.1], Withheld.TOO_QUIET),
        (-20.0, [-0.9, -1.3], None),
        (-120.0, [], None),
    ],
)  # fmt: skip
def test_a_quiet_line_takes_away_only_words_that_are_unsure_too(
    level: float, log_probs: list[float], reason: Withheld | None
) -> None:
    assert withheld(level, 0.1, log_probs) is reason


@pytest.mark.parametrize(
    ("text", "away"),
    [
        ("Hi, Michelle, my name's Jack from Platinum Motors", False),
        ("Platinum Motors", False),
        ("Platinum Motors Platinum Motors Platinum Motors Platinum", True),      # read out
        ("Michelle. Platinum Motors. Michelle, so. Platinum Motors.", True),
        ("well " + "you know Michelle said " * 6, True),                         # over and over
        ("and so " * 9, True),                                                   # looping
        ("", False),
    ],
)  # fmt: skip
def test_a_list_of_keywords_must_not_become_the_text(text: str, away: bool) -> None:
    assert carried_away(text.split(), ("Michelle", "Platinum Motors")) is away


def test_loudness_is_that_of_the_loudest_part() -> None:
    quiet = np.full(32_000, 0.001, dtype=np.float32)
    with_a_word = quiet.copy()
    with_a_word[10_000:14_000] = 0.1

    assert loudness(quiet) == pytest.approx(-60, abs=0.1)
    assert loudness(with_a_word) == pytest.approx(-20, abs=0.1)


@pytest.mark.parametrize("length", [0, 1, 100, 319, 320, 5_000])
def test_silence_of_any_length_is_silent(length: int) -> None:
    assert loudness(np.zeros(length, dtype=np.float32)) == -120
