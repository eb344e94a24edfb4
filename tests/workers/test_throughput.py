"""Measured throughput of a worker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.throughput import Throughput

SECONDS = st.floats(0.01, 60.0)


def test_nothing_is_known_before_the_first_segment_is_finished() -> None:
    assert Throughput().capacity is None
    assert Throughput().observe(speech=0.0, engine=1.0).capacity is None


def test_it_is_seconds_of_speech_for_each_second_of_work() -> None:
    pace = Throughput().observe(speech=30.0, engine=2.0)

    assert pace.capacity == pytest.approx(15.0)


def test_time_for_partials_is_work_that_finishes_nothing() -> None:
    busy = Throughput().observe(30.0, 1.0).observe(0.0, 1.0)

    assert busy.capacity == pytest.approx(15.0, rel=0.02)


def test_what_was_long_ago_counts_for_little() -> None:
    pace = Throughput().observe(1_000.0, 1.0)
    for _ in range(300):
        pace = pace.observe(5.0, 1.0)

    assert pace.capacity == pytest.approx(5.0, rel=0.02)


@given(st.lists(SECONDS, min_size=1), SECONDS)
def test_a_steady_worker_has_the_capacity_it_always_had(steps: list[float], rate: float) -> None:
    pace = Throughput()
    for engine in steps:
        pace = pace.observe(rate * engine, engine)

    assert pace.capacity == pytest.approx(rate)
