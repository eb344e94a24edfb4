import numpy as np
import pytest

from workers.engines.base import Samples
from workers.engines.common.pauses import outside_pauses

FRAME = 160


def drawn(levels: str) -> Samples:
    """One sign for each 10 ms: `#` speech, `.` nearly silent."""
    loud = np.repeat([sign == "#" for sign in levels], FRAME)
    noise = np.random.default_rng(0).standard_normal(len(loud))
    return (np.where(loud, 0.1, 0.0003) * noise).astype(np.float32)


SPEECH = "." * 20 + "#" * 30 + "." * 40 + "#" * 30 + "." * 20


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(0, 70), (70, 140)], [(20, 50), (90, 120)]),  # the pause belongs to neither word
        ([(15, 55), (55, 125)], [(20, 50), (90, 120)]),  # a boundary near a pause moves into it
        ([(0, 35), (35, 70), (70, 140)], [(20, 35), (35, 50), (90, 120)]),  # others stay
    ],
)
def test_words_end_where_a_pause_begins(
    spans: list[tuple[int, int]], expected: list[tuple[int, int]]
) -> None:
    samples = drawn(SPEECH)

    moved = outside_pauses([(a * FRAME, b * FRAME) for a, b in spans], samples)

    assert np.abs(np.array(moved) / FRAME - expected).max() <= 2


def test_the_closure_of_a_plosive_is_no_pause() -> None:
    samples = drawn("#" * 40 + "." * 5 + "#" * 40)

    assert outside_pauses([(0, 45 * FRAME), (45 * FRAME, 85 * FRAME)], samples) == [
        (0, 45 * FRAME),
        (45 * FRAME, 85 * FRAME),
    ]


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(16_000, np.float32)])
def test_audio_without_levels_moves_no_word_out_of_order(samples: Samples) -> None:
    (span,) = outside_pauses([(0, len(samples))], samples)

    assert span[0] <= span[1]


def test_no_words_stay_no_words() -> None:
    assert outside_pauses([], drawn(SPEECH)) == []
