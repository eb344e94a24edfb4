"""Objectives, and the search for the largest number of calls that meets one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.bench.capacity import CapacitySearch
from cli.bench.percentiles import Slo, SloError, parse_slo, percentile


@pytest.mark.parametrize(
    ("text", "slo"),
    [
        ("p99 lag < 20 ms", Slo("lag", 0.99, 20)),
        ("p95 final < 1.5 s", Slo("final", 0.95, 1_500)),
        (" p99.9 added<25ms ", Slo("added", 0.999, 25)),
    ],
)
def test_an_objective_is_written_as_people_say_it(text: str, slo: Slo) -> None:
    read = parse_slo(text)

    assert (read.metric, read.limit_ms) == (slo.metric, slo.limit_ms)
    assert read.share == pytest.approx(slo.share)


@pytest.mark.parametrize(
    "text", ["", "lag < 20", "p99 speed < 20 ms", "p99 lag > 20 ms", "p999 lag < 1 s"]
)
def test_an_unreadable_objective_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SloError, match="p99 lag < 20 ms"):
        parse_slo(text)


def test_an_objective_without_any_value_is_not_met() -> None:
    slo = parse_slo("p99 lag < 20 ms")

    assert not slo.is_met({})
    assert not slo.is_met({"lag": []})
    assert slo.is_met({"lag": [1.0] * 100})
    assert not slo.is_met({"lag": [1.0] * 98 + [50.0] * 2})


def test_a_percentile_of_nothing_is_no_number() -> None:
    assert math.isnan(percentile([], 0.5))


@given(capacity=st.integers(0, 2_000), first=st.integers(1, 500), most=st.integers(1, 1_000))
def test_the_search_ends_close_below_the_capacity(capacity: int, first: int, most: int) -> None:
    search = CapacitySearch(first, most)
    tried = []

    while not search.is_over:
        tried.append(search.calls)
        search.take(met=search.calls <= capacity)

    reachable = min(capacity, most)
    assert len(tried) == len(set(tried)) <= 25
    assert search.held <= reachable
    assert reachable - search.held <= max(1, 0.07 * reachable + 1)
