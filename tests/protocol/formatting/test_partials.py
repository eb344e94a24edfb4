"""Partials grow without flicker: what is before the open number, date or address never changes again."""

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from protocol.calls.text_form import AS_WRITTEN, Replacement, TextForm
from protocol.formatting.partials import shown_partial
from protocol.numbers.languages import LEXICONS

TABLE = Path(__file__).with_name("written_forms.tsv")
SAID = {
    language: [
        case["said"].split()
        for case in csv.DictReader(TABLE.open(encoding="utf-8"), delimiter="\t", quoting=csv.QUOTE_NONE)
        if case["language"] == language
    ]
    for language in LEXICONS
}  # fmt: skip
CALLS = st.sampled_from(sorted(LEXICONS)).flatmap(
    lambda one: st.tuples(
        st.just(one),
        st.lists(st.sampled_from(SAID[one]), min_size=1, max_size=4).map(
            lambda sentences: [word for words in sentences for word in words]
        ),
    )
)


@settings(max_examples=examples(30), deadline=None)
@given(CALLS)
def test_what_is_shown_as_stable_never_changes(case: tuple[str, list[str]]) -> None:
    language, words = case
    whole, _ = shown_partial(words, len(words), language, AS_WRITTEN)

    for count in range(len(words) + 1):
        shown, stable = shown_partial(words[:count], count, language, AS_WRITTEN)
        assert shown[:stable] == whole[:stable]


def test_digits_are_shown_as_they_grow() -> None:
    words = [
        "my",
        "name",
        "is",
        "Ann",
        "Lee",
        "call",
        "four",
        "one",
        "five",
        "five",
        "five",
        "five",
        "oh",
        "one",
        "two",
        "three",
    ]

    seen = [" ".join(shown_partial(words[:end], end, "en", AS_WRITTEN)[0]) for end in range(6, 17)]

    assert seen == [
        "my name is Ann Lee call",
        "my name is Ann Lee call four",
        "my name is Ann Lee call 41",
        "my name is Ann Lee call 415",
        "my name is Ann Lee call 4155",
        "my name is Ann Lee call 41555",
        "my name is Ann Lee call 415555",
        "my name is Ann Lee call 4155550",
        "my name is Ann Lee call 41555501",
        "my name is Ann Lee call 415555012",
        "my name is Ann Lee call (415) 555-0123",
    ]


@pytest.mark.parametrize(
    ("said", "stable"),
    [
        ("thank you very much", 3),  # "much" may begin an address: "much at example dot com"
        ("call me at four one five", 1),
        ("it is twenty", 1),
        ("twenty five dogs came home", 3),
        ("my card is [CARD_NUMBER] and five", 4),
        ("mail jane dot doe", 1),
    ],
)
def test_a_number_that_is_open_is_not_stable(said: str, stable: int) -> None:
    words = said.split()
    shown, found = shown_partial(words, len(words), "en", AS_WRITTEN)
    assert len(shown[:found]) == found
    assert found == stable


def test_a_phrase_that_may_be_replaced_is_not_stable() -> None:
    form = TextForm(replacements=(Replacement("new york", "NYC"),))

    assert shown_partial(["in", "new"], 2, "en", form) == (("in", "new"), 1)
    assert shown_partial(["in", "new", "york", "now"], 4, "en", form) == (("in", "NYC", "now"), 2)
