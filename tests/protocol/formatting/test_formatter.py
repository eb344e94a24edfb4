"""Formatting of numbers, amounts, times, dates and addresses."""

import csv
import sys
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from protocol.calls.text_form import AS_WRITTEN, MOST_REPLACEMENTS, Replacement, TextForm
from protocol.events import Final, Redaction, SegmentId, Span, Timing, Word
from protocol.formatting.formatter import format_texts, formatted, shown_items, unformatted
from protocol.numbers.languages import LEXICONS, lexicon_of

TABLE = Path(__file__).with_name("written_forms.tsv")
CASES = list(csv.DictReader(TABLE.open(encoding="utf-8"), delimiter="\t", quoting=csv.QUOTE_NONE))
"""What is said and how people write it, in seven languages."""

KINDS = {
    "cardinal", "ordinal", "digits", "telephone", "card", "code", "date", "time", "money", "percent", "address",
    "unit", "decimal", "words",
}  # fmt: skip


def shown(said: str, language: str) -> str:
    return " ".join(item.text for item in format_texts(said.split(), language))


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("language", sorted(LEXICONS))
def test_numbers_are_written_as_people_write_them(language: str, kind: str) -> None:
    cases = [case for case in CASES if (case["language"], case["kind"]) == (language, kind)]
    said = {case["said"]: case["shown"] for case in cases}

    once = {text: shown(text, language) for text in said}

    assert once == said
    assert {text: shown(text, language) for text in once.values()} == {
        text: text for text in once.values()
    }


def test_the_table_has_all_kinds_in_all_languages() -> None:
    kinds = {
        language: {case["kind"] for case in CASES if case["language"] == language}
        for language in LEXICONS
    }

    assert len(CASES) >= 400
    for language, found in kinds.items():
        assert found >= KINDS, language


SAID = {
    language: [case["said"] for case in CASES if case["language"] == language]
    for language in LEXICONS
}
WRITTEN = ["7", "12", "2019", "25,000", "4242", "1-2-3", "415-555-0123", "+49", "+1", "3.5", "15:30", "a.m.", "A", "B",
           "I", "€", "%", "km", "21st", "[CARD_NUMBER]", "[EXPIRY].", "okay,", "ja.", "(415)", "555-0123"]  # fmt: skip
LANGUAGE = st.sampled_from(sorted(LEXICONS))
SENTENCES = LANGUAGE.flatmap(
    lambda one: st.tuples(
        st.just(one), st.lists(st.sampled_from(SAID[one]), min_size=1, max_size=4)
    )
)
ANY_WORDS = LANGUAGE.flatmap(
    lambda one: st.tuples(
        st.just(one),
        st.lists(
            st.sampled_from([*lexicon_of(one).morphemes, *" ".join(SAID[one]).split(), *WRITTEN]),
            max_size=25,
        ),
    )
)


@settings(max_examples=examples(120), deadline=None)
@given(SENTENCES)
def test_formatting_twice_changes_nothing(case: tuple[str, list[str]]) -> None:
    language, said = case
    once = shown(". ".join(one.rstrip(".") for one in said), language)

    assert shown(once, language) == once


@settings(max_examples=examples(120), deadline=None)
@given(ANY_WORDS)
def test_every_word_has_its_place_and_times_stay_in_order(case: tuple[str, list[str]]) -> None:
    language, said = case
    words = tuple(Word(text, 100 * at, 100 * at + 80) for at, text in enumerate(said))
    final = Final(SegmentId(0, 0), Span(0, 4_000), words, language, 0, (), "engine", Timing(0, 0))

    once = formatted(final)

    places = [
        place
        for item in format_texts([word.text for word in words], language)
        for place in range(item.first, item.last + 1)
    ]
    assert places == list(range(len(said)))
    times = [time for word in once.words for time in (word.start, word.end)]
    assert times == sorted(time for time in times if time is not None)
    assert once.lexical == words
    assert unformatted(once) == final
    assert formatted(once) == once


def test_a_final_keeps_times_words_as_said_and_the_places_of_redactions() -> None:
    words = (
        Word("twenty", 0, 80, 0.9),
        Word("five", 80, 160, 0.8),
        Word("[CARD_NUMBER]", 200, 400),
    )
    final = Final(
        SegmentId(0, 0), Span(0, 400), words, "en", 0, (), "engine", Timing(0, 0),
        redactions=(Redaction("card_number", 2, 200, 400),),
    )  # fmt: skip

    once = formatted(final)

    assert once.words == (Word("25", 0, 160, 0.8), Word("[CARD_NUMBER]", 200, 400))
    assert once.lexical == words
    assert [one.place for one in once.redactions] == [1]


@pytest.mark.parametrize(
    "repeated",
    ["12", pytest.param("12-34-56", marks=pytest.mark.long), "double", "one", "a", "+1", "21st"],
)
def test_the_work_grows_with_the_words(repeated: str) -> None:
    once, twice = calls([repeated] * 400), calls([repeated] * 800)

    assert twice < 2.5 * once


def test_many_replacements_take_hardly_more_work_than_one() -> None:
    many = tuple(Replacement(f"word {number}", "x") for number in range(MOST_REPLACEMENTS))

    one, all_of_them = (
        calls(["word"] * 400, TextForm(replacements=asked)) for asked in (many[:1], many)
    )

    assert all_of_them < 3 * one


def calls(said: list[str], form: TextForm = AS_WRITTEN) -> int:
    """Number of calls of functions that showing `said` takes."""
    made = count()
    sys.setprofile(lambda _frame, event, _of: next(made) if event.endswith("call") else None)
    try:
        shown_items([Word(one) for one in said], "en", form)
    finally:
        sys.setprofile(None)
    return next(made)


def test_many_words_that_announce_a_letter_announce_none() -> None:
    said = " ".join(["double"] * 3_000)

    assert shown(said, "en") == said
