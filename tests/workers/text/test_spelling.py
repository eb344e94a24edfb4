"""Spelled names and codes as capitals, one a word."""

import pytest

from protocol.events import SegmentId, Timing
from protocol.formatting.formatter import format_texts
from protocol.scheduling.jobs import Job
from workers.engines.base import Hypothesis, RecognisedWord
from workers.text.event_builder import final_of
from workers.text.spelling import spelled


def shown(text: str, *, asked: bool, language: str = "en") -> str:
    words = [RecognisedWord(word) for word in text.split()]
    return " ".join(word.text for word in spelled(words, language, asked=asked))


@pytest.mark.parametrize(
    ("heard", "unasked", "asked"),
    [
        ("E k w a l l", "E K W A L L", "E K W A L L"),
        ("S-m-i-t-h.", "S M I T H.", "S M I T H."),
        ("Q, u, i, l, l, o, n.", "Q U I L L O N.", "Q U I L L O N."),
        ("S m i tea h", "S M I T H", "S M I T H"),  # between letters a word is a letter
        ("Yes, f u c h s, you see", "Yes, F U C H S, you see", "Yes, F U C H S, you see"),
        ("K three t seven nine", "K three T seven nine", "K three T seven nine"),
        ("X, a, three, two.", "X, a, three, two.", "X A three two."),
        ("Zd7436", "Zd7436", "Z D 7 4 3 6"),
        ("Lima, whiskey, alpha.", "Lima, whiskey, alpha.", "Lima whiskey alpha."),
        ("Ask Mike, Oscar, Victor", "Ask Mike, Oscar, Victor", "Ask Mike Oscar Victor"),
        ("Age.", "Age.", "H."),
        ("Why?", "Why?", "Why?"),
        ("Oh.", "Oh.", "Oh."),
        ("I see.", "I see.", "I see."),
        ("Oh, you are at home", "Oh, you are at home", "Oh, you are at home"),
        ("At 3pm on the 21st for two people", *["At 3pm on the 21st for two people"] * 2),
        ("one two three four", "one two three four", "one two three four"),
        ("", "", ""),
    ],
)  # fmt: skip
def test_letters_are_capitals_where_enough_of_them_follow_each_other(
    heard: str, unasked: str, asked: str
) -> None:
    assert shown(heard, asked=False) == unasked
    assert shown(heard, asked=True) == asked


@pytest.mark.parametrize("asked", [False, True])
def test_a_word_with_white_space_in_it_stays_as_it_is(*, asked: bool) -> None:
    words = (RecognisedWord("10\u00a0000"), RecognisedWord("c\x1cd"), RecognisedWord("homes"))

    assert spelled(words, "en", asked=asked) == words


def test_other_languages_stay_as_they_are() -> None:
    assert shown("E k w a l l", asked=True, language="de") == "E k w a l l"


def test_a_spelled_name_can_be_written_as_one_word() -> None:
    texts = shown("S-m-i-t-h", asked=False).split()

    assert [item.text for item in format_texts(texts, "en")] == ["SMITH"]


def test_the_letters_of_one_word_share_its_time_and_its_probability() -> None:
    (first, second, third) = spelled(
        [RecognisedWord("a-b-c", 100, 400, confidence=0.125)], "en", asked=False
    )

    assert [(one.text, one.start, one.end) for one in (first, second, third)] == [
        ("A", 100, 200),
        ("B", 200, 300),
        ("C", 300, 400),
    ]
    assert second.confidence == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("heard", "spelling", "text"),
    [
        ("Zd7436", True, "Z D 7 4 3 6"),  # another party has asked
        ("Zd7436", False, "Zd7436"),
        ("It is spelled f u 8", False, "It is spelled F U 8"),  # the speaker says so
        ("It is called f u 8", False, "It is called f u 8"),
    ],
)
def test_a_final_is_written_as_spelled_if_somebody_has_said_so(
    heard: str, spelling: bool, text: str
) -> None:
    job = Job("call", "log", SegmentId(0, 0), 0, 0.0, "en", end=8_000, spelling=spelling)

    final = final_of(job, Hypothesis(tuple(map(RecognisedWord, heard.split()))), "e", Timing(0, 0))

    assert final.text == text
