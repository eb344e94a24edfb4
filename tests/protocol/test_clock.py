"""Time in a call is counted in samples; milliseconds stand only on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.clock import (
    CALL_RATE,
    ENGINE_RATE,
    UPSAMPLING,
    from_ms,
    from_seconds,
    to_ms,
    to_seconds,
)


@given(st.integers(0, 10**9))
def test_milliseconds_survive_the_way_through_samples(milliseconds: int) -> None:
    assert to_ms(from_ms(milliseconds)) == milliseconds


@given(st.integers(0, 10**9))
def test_samples_survive_the_way_through_seconds(samples: int) -> None:
    assert from_seconds(to_seconds(samples)) == samples


@pytest.mark.parametrize(("samples", "milliseconds"), [(0, 0), (7, 0), (8, 1), (8_007, 1_000)])
def test_a_position_is_rounded_down(samples: int, milliseconds: int) -> None:
    assert to_ms(samples) == milliseconds


def test_engines_get_twice_as_many_samples() -> None:
    assert UPSAMPLING * CALL_RATE == ENGINE_RATE
