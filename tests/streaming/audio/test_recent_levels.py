"""The latest levels of a channel."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from streaming.audio.recent_levels import RecentLevels

MOST = 20
LEVELS = st.lists(st.sampled_from([0.0, 0.0, 0.1, 3.0]), max_size=90)


@given(st.lists(st.tuples(st.booleans(), LEVELS), max_size=8))
def test_it_holds_what_a_bounded_queue_would_hold(
    given_levels: list[tuple[bool, list[float]]],
) -> None:
    recent, model = RecentLevels(MOST), deque[float](maxlen=MOST)
    for at_once, levels in given_levels:
        model.extend(levels)
        if at_once:
            recent.extend(levels)
        else:
            for level in levels:
                recent.append(level)
        assert len(recent) == len(model)
        assert recent.as_array().tolist() == list(model)


def test_digital_silence_takes_no_memory_before_and_after_speech() -> None:
    recent = RecentLevels(800)
    recent.extend([0.0] * 10_000)
    before = recent.held_bytes
    recent.extend([5.0] * 100)
    recent.extend([0.0] * 1_000)

    assert (before, recent.held_bytes, len(recent)) == (0, 0, 800)


def test_memory_is_bounded() -> None:
    recent = RecentLevels(800)
    for level in range(5_000):
        recent.append(level + 1.0)

    assert recent.held_bytes <= 8 * (800 + 64)
