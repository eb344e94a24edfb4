"""When refused clients are told to try again."""

from collections import Counter

from streaming.overload.retry_times import RetryTimes


def test_refused_clients_come_back_spread_over_the_next_seconds() -> None:
    times = RetryTimes()

    waits = Counter(times.next(now=100.0) for _ in range(240))

    assert max(waits.values()) <= 20
    assert sorted(waits) == list(range(1, 14))


def test_nobody_is_told_to_wait_longer_than_half_a_minute() -> None:
    times = RetryTimes()

    assert max(times.next(now=100.0) for _ in range(2_000)) == 30


def test_a_client_that_is_refused_alone_may_come_back_after_a_second() -> None:
    times = RetryTimes()

    assert [times.next(now=float(now)) for now in (100, 200, 300)] == [1, 1, 1]
