import wave
from pathlib import Path

import numpy as np
import pytest

from bench.accuracy_html import Row, Shown, page
from bench.accuracy_page import own_clips
from bench.accuracy_statistics import (
    Change,
    Interval,
    Stretch,
    difference,
    digit_errors_of,
    errors_of,
    interval,
)
from bench.wer import Errors


def test_case_and_punctuation_are_no_errors() -> None:
    assert errors_of("Press one, now.", "press one now", "en").rate == 0


@pytest.mark.parametrize(
    ("said", "heard", "wrong"),
    [("four one 7", "417", 0), ("call 417", "call 471", 2), ("no digits", "none here", 0)],
)
def test_each_digit_counts(said: str, heard: str, wrong: int) -> None:
    found = digit_errors_of(said, heard)

    assert found.substituted + found.deleted + found.inserted == wrong


def test_an_interval_contains_its_rate_and_narrows_with_more_recordings() -> None:
    few = [Errors(10, 1), Errors(10, 0), Errors(10, 3)]

    narrow, wide = interval(few * 30), interval(few)

    assert wide.low <= wide.rate <= wide.high
    assert narrow.rate == pytest.approx(wide.rate)
    assert narrow.high - narrow.low < wide.high - wide.low


def test_recordings_without_words_have_no_errors() -> None:
    assert interval([Errors(0)]) == Interval(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("said", "heard", "expected"),
    [
        (
            "ask not what",
            "is not what now",
            [
                Stretch(Change.SUBSTITUTED, "ask", "is"),
                Stretch(Change.EQUAL, "not what", "not what"),
                Stretch(Change.INSERTED, "", "now"),
            ],
        ),
        ("ask not", "", [Stretch(Change.DELETED, "ask not", "")]),
        ("", "ask", [Stretch(Change.INSERTED, "", "ask")]),
        ("", "", []),
    ],
)
def test_differences_show_what_became_of_each_word(
    said: str, heard: str, expected: list[Stretch]
) -> None:
    assert difference(said, heard, "en") == expected


def test_the_page_needs_no_other_file_and_escapes_texts() -> None:
    rate = Interval(0.1, 0.05, 0.2)
    shown = Shown("<a>.wav", np.zeros(8, np.int16), 1, (), (Stretch(Change.EQUAL, "<b>", "<b>"),))

    text = page("recipe", [Row("set", 1, 10, rate, rate, None)], ["a < b"], [("set", [shown])])

    assert "10.0 % (5.0 to 20.0)" in text
    assert "&lt;a&gt;.wav" in text
    assert "&lt;b&gt;" in text
    assert "a &lt; b" in text
    assert 'src="data:audio/wav;base64,UklGR' in text
    assert "http" not in text


def test_own_recordings_are_those_with_a_text_beside_them(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with wave.open(str(tmp_path / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8_000)
            file.writeframes(bytes(1_600))
    (tmp_path / "one.txt").write_text("Hello.\n")

    (clip,) = own_clips(tmp_path)

    assert (clip.name, clip.text, len(clip.pcm)) == ("one.wav", "Hello.", 800)
