import numpy as np
import pytest

from workers.engines.guards import believable, carried_away, loudness, without_loop


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", ""),
        ("thank you for calling", "thank you for calling"),
        ("no no no no I said no", "no no no no I said no"),
        ("five five five zero zero zero zero", "five five five zero zero zero zero"),
        ("are you there are you there are you there", "are you there are you there are you there"),
        ("okay " + "bye " * 12, "okay bye"),
        ("a " + "decrease or " * 9, "a decrease or"),
        ("so " + "press one to, press one to. " * 4, "so press one to,"),
        ("I see " * 2 + "the end of the line and " * 5, "I see I see the end of the line and"),
    ],
)
def test_loops_are_cut_after_their_first_round(text: str, kept: str) -> None:
    words = text.split()

    outcome = without_loop(words)

    assert words[: outcome.words] == kept.split()
    assert outcome.looped == (text.split() != kept.split())


@pytest.mark.parametrize(
    ("nothing", "log_probs", "stands"),
    [
        (0.01, [-3.0, -2.0], True),    # mumbled, but speech
        (0.40, [-0.2, -0.6], True),    # a short word that the model is sure of
        (0.40, [-1.2, -2.6], False),   # drawn out of a tone
        (0.90, [], True),              # nothing was said to be believed
    ],
)  # fmt: skip
def test_words_out_of_nothing_are_not_believed(
    nothing: float, log_probs: list[float], stands: bool
) -> None:
    assert believable(nothing, log_probs) is stands


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
