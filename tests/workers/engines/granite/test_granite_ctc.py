"""Text, times and confidence from hand-made CTC posteriors."""

from typing import Any

import numpy as np
import pytest

from workers.engines.granite.acoustic.ctc import (
    FRAME_SAMPLES,
    align,
    emissions,
    has_speech,
    letters,
    place,
    spans,
    support,
    text_of,
    words_of,
)

SURE = 0.97


def posteriors(drawing: str, second: str = "", share: float = 0.0) -> Any:
    """One frame for each sign, `.` for blank; where `second` has another sign, it gets `share`."""
    table = np.full((len(drawing), 348), 1e-6)
    for frame, sign in enumerate(drawing):
        table[frame, 0 if sign == "." else ord(sign)] = SURE - share
    for frame, sign in enumerate(second):
        table[frame, 0 if sign == "." else ord(sign)] += share
    return np.log(table / table.sum(1, keepdims=True)).astype(np.float32)


def greedy(drawing: str) -> Any:
    table = posteriors(drawing)
    return emissions(table.argmax(1), np.exp(table.max(1)))


@pytest.mark.parametrize(
    ("drawing", "text"),
    [
        ("..hh.i...", "hi"),
        ("he.l.lo", "hello"),
        ("hello", "helo"),
        ("a.. ..b", "a b"),
        ("ü.é", "üé"),
        (".........", ""),
        (" .. ", ""),
    ],
)
def test_the_greedy_path_reads_as_text(drawing: str, text: str) -> None:
    assert text_of(greedy(drawing)) == text


def test_words_have_times_and_confidence() -> None:
    words = words_of(greedy("..hi. .a.."), 10 * FRAME_SAMPLES)

    assert [word.text for word in words] == ["hi", "a"]
    assert [(word.start, word.end) for word in words] == [
        (2 * FRAME_SAMPLES, 4 * FRAME_SAMPLES),
        (7 * FRAME_SAMPLES, 8 * FRAME_SAMPLES),
    ]
    assert words[0].confidence == pytest.approx(SURE, abs=0.04)


@pytest.mark.parametrize(
    ("labels", "speech"), [([0, 0], False), ([0, 32, 0], False), ([0, 97], True), ([300], True)]
)
def test_all_blank_is_no_speech(labels: list[int], speech: bool) -> None:
    assert has_speech(np.array(labels)) is speech


def test_a_given_text_is_found_where_it_was_said() -> None:
    table = posteriors("..he.l.lo.. .you..")

    placed = place(["Hello,", "you!"], table)

    times = spans(placed, len(table) * FRAME_SAMPLES)
    assert times == [
        (2 * FRAME_SAMPLES, 9 * FRAME_SAMPLES),
        (13 * FRAME_SAMPLES, 16 * FRAME_SAMPLES),
    ]


def test_a_word_without_letters_stands_between_its_neighbours() -> None:
    table = posteriors("..hi.. ..you..")

    times = spans(place(["hi", "東京", "you"], table), len(table) * FRAME_SAMPLES)

    assert times[1] == (4 * FRAME_SAMPLES, 9 * FRAME_SAMPLES)
    assert spans(place(["東京"], table), len(table) * FRAME_SAMPLES) == [None]


def test_a_text_longer_than_the_audio_has_no_places() -> None:
    assert (
        align([97] * 5, posteriors("aaaaaaaa")) is None
    )  # doubled letters need a blank between them
    assert place(["aaaaa"], posteriors("aaaaaaaa")) == [[]]


def test_alignment_is_the_best_of_all_paths() -> None:
    """Against every path there is, on small random tables."""
    noise = np.random.default_rng(0)
    for labels in ([1, 2], [1, 1], [2, 1, 2]):
        table = np.log(noise.dirichlet(np.ones(3), size=6)).astype(np.float32)
        found = align(labels, table)
        assert found is not None

        best = max(
            (path for path in np.ndindex(*[3] * 6) if collapse(path) == labels),
            key=lambda path: sum(table[frame, label] for frame, label in enumerate(path)),
        )
        assert [(one.first, one.last) for one in found] == runs(best)


def collapse(path: tuple[int, ...]) -> list[int]:
    merged = [label for place, label in enumerate(path) if place == 0 or path[place - 1] != label]
    return [label for label in merged if label]


def runs(path: tuple[int, ...]) -> list[tuple[int, int]]:
    starts = [f for f, label in enumerate(path) if label and (f == 0 or path[f - 1] != label)]
    return [
        (start, next((f for f in range(start, len(path)) if path[f] != path[start]), len(path)))
        for start in starts
    ]


@pytest.mark.parametrize(
    ("heard", "faintly", "word", "supported"),
    [
        ("..bildad..", "", "Bildad", 1.0),
        ("..bi....d..", "..bildad..", "Bildad", 1.0),  # faint letters were recognised
        ("..go.......", "", "Bildad", 0.0),
        ("..nu.i.n...", "", "Nuyen", 0.6),
    ],
)
def test_support_is_the_share_of_letters_found_in_the_audio(
    heard: str, faintly: str, word: str, supported: float
) -> None:
    table = posteriors(heard, faintly, 0.05 if faintly else 0.0)

    assert support(place([word], table)[0]) == pytest.approx(supported, abs=0.01)


def test_what_has_no_letters_cannot_be_doubted() -> None:
    assert support([]) is None
    assert letters("東京-12") == [ord("1"), ord("2")]


def test_no_time_lies_beyond_the_utterance() -> None:
    """Short clips are padded before they are encoded."""
    table = posteriors("..hi...yo")

    times = spans(place(["hi", "yo"], table), 8 * FRAME_SAMPLES - 7)

    assert times[1] == (7 * FRAME_SAMPLES, 8 * FRAME_SAMPLES - 7)
    assert words_of(greedy("..hi"), 1_000)[0].end == 1_000
