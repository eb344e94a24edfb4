"""What a gateway can still take, by the CPU time and the delay of its event loop."""

import pytest

from protocol.events import LoadLevel
from streaming.overload.gateway_load import GatewayLoad, LoopSample
from streaming.overload.retry_times import RetryTimes

QUARTERS = 4
"""Samples in a second."""


def observed(
    load: GatewayLoad,
    seconds: float,
    *,
    busy: float,
    calls: int,
    lag: float = 0.001,
    waited: float = 0.0,
) -> None:
    for _ in range(int(seconds * QUARTERS)):
        load.observe(LoopSample(lag, busy, waited), calls)


def admitted(load: GatewayLoad, most: int = 1_000) -> int:
    """How many calls are admitted at the same moment."""
    return sum(load.admit() for _ in range(most))


@pytest.mark.parametrize(
    ("lags", "level"),
    [
        ([0.1] * 8, LoadLevel.NORMAL),
        ([1.9], LoadLevel.NORMAL),  # one stall is over before anything could be left out
        ([0.6] * 4, LoadLevel.FEWER_PARTIALS),
        ([1.2] * 4, LoadLevel.NO_PARTIALS),
        ([2.1] * 4, LoadLevel.NO_NEW_CALLS),
        ([30.0], LoadLevel.NO_NEW_CALLS),  # the process was stopped: its backlog comes first
    ],
)
def test_a_late_event_loop_leaves_out_work_long_before_it_is_taken_for_dead(
    lags: list[float], level: LoadLevel
) -> None:
    load = GatewayLoad(0.85)

    for lag in lags:
        load.observe(LoopSample(lag, used=0.3), calls=1)

    assert load.level is level


@pytest.mark.parametrize(
    ("lag", "level"),
    [(0.02, LoadLevel.NORMAL), (0.11, LoadLevel.FEWER_PARTIALS), (0.21, LoadLevel.NO_PARTIALS)],
)
def test_a_delay_that_the_gateway_causes_itself_counts_more(lag: float, level: LoadLevel) -> None:
    load = GatewayLoad(0.85)

    observed(load, 2, busy=0.97, calls=100, lag=lag)

    assert load.level is level


def test_an_event_loop_that_has_caught_up_gets_its_work_back_step_by_step_within_seconds() -> None:
    load = GatewayLoad(0.85)
    observed(load, 1, busy=0.3, calls=1, lag=2.1)

    levels = []
    for _ in range(8 * QUARTERS):
        load.observe(LoopSample(0.0, 0.3), 1)
        levels.append(load.level)

    steps = [
        level for level, before in zip(levels, [None, *levels], strict=False) if level is not before
    ]
    assert steps == sorted(LoadLevel, reverse=True)


def test_a_gateway_without_calls_has_room_however_busy_its_start_keeps_it() -> None:
    load = GatewayLoad(0.85)
    observed(load, 1, busy=1.0, calls=0)

    assert load.has_room
    assert admitted(load) == 1  # with the first call, the load counts


def test_new_calls_are_refused_while_nothing_is_taken_from_those_in_progress() -> None:
    load = GatewayLoad(0.85)

    observed(load, 2, busy=0.86, calls=100)

    assert not load.admit()
    assert load.level is LoadLevel.NORMAL


@pytest.mark.parametrize(
    ("busy", "calls", "has_room"), [(0.6, 5, False), (0.2, 5, True), (0.2, 40, False)]
)
def test_a_busy_gateway_that_waits_for_its_core_is_full_and_an_idle_one_is_not(
    busy: float, calls: int, has_room: bool
) -> None:
    load = GatewayLoad(0.85)

    observed(load, 2, busy=busy, calls=calls, waited=0.7)

    assert load.has_room is has_room


def test_calls_that_were_just_admitted_count_before_they_cost_anything() -> None:
    load = GatewayLoad(0.85)
    observed(load, 4, busy=0.40, calls=100)  # 0.4 % of a core for each

    assert admitted(load) == pytest.approx(112, abs=2)
    observed(load, 1, busy=0.42, calls=212)
    assert admitted(load) <= 1, "their cost does not show yet"
    observed(load, 3, busy=0.80, calls=212)
    assert admitted(load) == pytest.approx(13, abs=2)


def test_a_gateway_that_has_never_had_calls_starts_carefully() -> None:
    load = GatewayLoad(0.85)
    observed(load, 4, busy=0.0, calls=0)

    assert admitted(load) == pytest.approx(56, abs=2)


def test_a_quiet_second_is_no_room() -> None:
    load = GatewayLoad(0.85)
    observed(load, 10, busy=0.84, calls=100)

    observed(load, 1, busy=0.40, calls=100)

    assert admitted(load) <= 15


def test_room_returns_at_once_when_calls_end() -> None:
    load = GatewayLoad(0.85)
    observed(load, 4, busy=0.90, calls=100)
    assert not load.has_room

    observed(load, 1, busy=0.50, calls=50)

    assert load.has_room


def test_the_cost_of_a_call_is_remembered_when_there_are_few() -> None:
    load = GatewayLoad(0.85)
    observed(load, 4, busy=0.85, calls=17)  # 5 % for each
    observed(load, 4, busy=0.0, calls=0)

    assert admitted(load) == pytest.approx(17, abs=1)


@pytest.mark.parametrize(("lag", "has_room"), [(0.005, True), (0.05, False)])
def test_a_recording_that_takes_the_rest_of_the_core_refuses_no_calls(
    lag: float, has_room: bool
) -> None:
    load = GatewayLoad(0.85)

    for _ in range(2 * QUARTERS):
        load.observe(LoopSample(lag, 0.99), calls=20, plays_recordings=True)

    assert load.has_room is has_room


def test_without_a_limit_every_call_has_room() -> None:
    load = GatewayLoad(1.0)

    observed(load, 4, busy=1.0, calls=1_000)

    assert admitted(load, 5_000) == 5_000


def test_refused_clients_come_back_one_after_the_other() -> None:
    times = RetryTimes()

    seconds = [times.next(now=100.0) for _ in range(400)]

    assert seconds == sorted(seconds)
    assert (seconds[0], seconds[-1]) == (1, 21)
    assert max(seconds.count(one) for one in set(seconds)) <= 21


def test_no_client_waits_longer_than_half_a_minute_and_quiet_times_are_forgotten() -> None:
    times = RetryTimes()

    assert max(times.next(now=100.0) for _ in range(5_000)) == 30
    assert times.next(now=200.0) == 1


def test_calls_that_have_ended_take_no_room() -> None:
    load = GatewayLoad(0.85)
    for _ in range(3 * QUARTERS):
        assert sum(load.admit() for _ in range(8)) == 8
        load.observe(LoopSample(lag=0.0, used=0.1), calls=0)
