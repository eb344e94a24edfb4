"""Stable words of partials do not change."""

from hypothesis import given
from hypothesis import strategies as st

from workers.text.stabiliser import NOTHING, Stabilised

WORDS = st.lists(st.sampled_from(["my", "policy", "number", "is", "by"]), max_size=8)


def test_two_hypotheses_that_agree_promise_what_they_agree_on() -> None:
    one = NOTHING.observe(["my", "policy", "num"])

    two = one.observe(["my", "policy", "number", "is"])

    assert (one.stable, two.stable) == (0, 2)


def test_the_last_word_may_have_been_cut_and_is_not_promised() -> None:
    heard = NOTHING.observe(["my", "pol"]).observe(["my", "pol"])

    assert heard.stable == 1


def test_signs_and_case_at_the_end_of_a_word_are_no_disagreement() -> None:
    heard = NOTHING.observe(["Hello.", "there"]).observe(["hello", "there", "Sir"])

    assert heard.stable == 1


def test_a_promised_word_is_not_changed_by_a_later_hypothesis() -> None:
    promised = NOTHING.observe(["my", "policy", "x"]).observe(["my", "policy", "y"])

    later = promised.observe(["by", "policy", "number"])

    assert later.words == ("my", "policy", "number")


def test_a_word_that_the_engine_doubts_holds_up_its_promise_and_those_behind_it() -> None:
    words = ["press", "1", "now", "please"]
    heard = NOTHING.observe(words)

    uncertain = heard.observe(words, confidence=[0.99, 0.4, 0.99, 0.99])

    assert uncertain.stable == 1
    assert uncertain.observe(words, confidence=[0.1, 0.9, None, 0.9]).stable == 3


def test_words_that_the_engine_vouches_for_are_promised() -> None:
    heard = NOTHING.observe(["my", "policy", "number"], vouched=2)

    assert heard.stable == 2


def test_stable_words_are_bounded_by_the_text_and_never_decrease() -> None:
    promised = NOTHING.observe(["my", "policy"], vouched=9)

    assert promised.stable == 2
    assert promised.observe(["by"], vouched=0).stable == 2


def test_it_survives_the_way_through_redis() -> None:
    heard = NOTHING.observe(["my", "policy"]).observe(["my", "policy", "number"])

    assert Stabilised.decode(heard.encode()) == heard
    assert Stabilised.decode(b"") == NOTHING


SURE = st.lists(st.none() | st.floats(0, 1), max_size=9)


@given(st.lists(st.tuples(WORDS, st.integers(0, 9), SURE), max_size=10))
def test_promises_only_grow(
    hypotheses: list[tuple[list[str], int, list[float | None]]],
) -> None:
    heard = NOTHING
    for words, vouched, sure in hypotheses:
        before, heard = heard, heard.observe(words, vouched, sure)
        assert heard.stable >= before.stable
        assert heard.words[: before.stable] == before.words[: before.stable]
        assert heard.stable <= len(heard.words)
