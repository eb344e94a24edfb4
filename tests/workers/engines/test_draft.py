from hypothesis import given
from hypothesis import strategies as st

from workers.engines.moonshine.draft import Draft, EarlierTexts

COMMA, STOP, A, B, C, D, E, F = range(8)
SIGNS = frozenset({COMMA, STOP})
TEXT = (A, B, C, D, E)


def expected(*said: int) -> tuple[int, ...]:
    """What a draft of TEXT expects behind `said`."""
    draft = Draft(TEXT, SIGNS)
    for token in said:
        draft = draft.follow(token)
    return tuple(draft.ahead(9))


def test_a_draft_goes_on_behind_what_was_said() -> None:
    assert expected() == (A, B, C, D, E)
    assert expected(A, B) == (C, D, E)


def test_a_new_sign_takes_the_place_of_no_word() -> None:
    assert expected(A, COMMA) == (B, C, D, E)


def test_another_sign_and_another_word_behind_it_take_the_place_of_both() -> None:
    """`support. This is` and `support, this is`."""
    draft = Draft((A, STOP, B, C), SIGNS).follow(A).follow(COMMA)

    assert tuple(draft.ahead(9)) == (B, C)
    assert tuple(draft.follow(F).ahead(9)) == (C,)


def test_a_word_in_the_place_of_a_sign_and_a_word_passes_both() -> None:
    assert tuple(Draft((A, STOP, B, C), SIGNS).follow(A).follow(F).ahead(9)) == (C,)


def test_another_word_takes_the_place_of_the_expected_one() -> None:
    assert expected(A, F) == (C, D, E)


def test_a_word_that_was_left_out_is_passed_over() -> None:
    assert expected(A, C) == (D, E)


def test_a_draft_that_was_passed_too_fast_is_found_again() -> None:
    assert expected(A, F, F, B) == (C, D, E)


def test_nothing_is_expected_behind_the_end() -> None:
    assert expected(A, B, C, D, E, F) == ()
    assert Draft().follow(A).ahead(9) == ()


@given(st.lists(st.integers(0, 7)), st.lists(st.integers(0, 7)), st.integers(0, 9))
def test_no_draft_expects_more_than_it_is_asked_for_or_another_text(
    tokens: list[int], said: list[int], most: int
) -> None:
    draft = Draft(tuple(tokens), SIGNS)
    for token in said:
        draft = draft.follow(token)

    ahead = tuple(draft.ahead(most))
    assert len(ahead) <= most
    assert ahead == tuple(tokens)[draft.at : draft.at + most]


def test_the_latest_text_of_each_utterance_is_kept_and_the_oldest_goes_first() -> None:
    texts = EarlierTexts(most=2)
    texts.keep("one", (A,))
    texts.keep("two", (B,))
    texts.keep("one", (A, C))
    texts.keep("three", (D,))
    texts.keep("", (E,))

    assert [texts.of(key) for key in ("one", "two", "three", "")] == [(A, C), (), (D,), ()]
