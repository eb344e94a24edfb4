"""When partials of an open segment are requested."""

from itertools import pairwise

import pytest

from protocol.events import LoadLevel, SegmentId
from streaming.call.segments.partial_schedule import PartialSchedule

ONE = SegmentId(0, 0)
TICK = 160
"""Samples of the call clock, 8 kHz, in 20 ms."""

EVERY = 4_000
"""Samples of 500 ms."""


def requested(seconds: int, level: LoadLevel = LoadLevel.NORMAL) -> list[int]:
    """Where partials of a segment are requested, in samples; each is answered at once."""
    schedule, asked = PartialSchedule(500), []
    schedule.begin(ONE, 0)
    for heard in range(TICK, 8_000 * seconds + 1, TICK):
        schedule.feed(ONE, TICK)
        if schedule.ask(ONE, level):
            asked.append(heard)
            schedule.answered(ONE)
    return asked


def test_a_short_segment_is_asked_for_at_the_interval_of_the_setting() -> None:
    assert requested(3) == [EVERY, 2 * EVERY, 3 * EVERY, 4 * EVERY, 5 * EVERY, 6 * EVERY]


def test_the_intervals_of_a_long_segment_grow_with_its_length() -> None:
    for before, place in pairwise(requested(14)):
        assert place - before == pytest.approx(max(EVERY, place / 6), abs=TICK)


def test_the_audio_decoded_for_partials_grows_no_faster_than_six_times_the_length() -> None:
    assert sum(requested(14)) <= 6 * 14 * 8_000


def test_under_load_requests_are_half_as_frequent() -> None:
    assert requested(3, LoadLevel.FEWER_PARTIALS) == [2 * EVERY, 4 * EVERY, 6 * EVERY]
