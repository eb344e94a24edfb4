"""The capacity that a worker publishes."""

import pytest

from protocol.scheduling.worker_capacity import (
    CapacityError,
    WorkerCapacity,
    decode_capacity,
    encode_capacity,
    is_stale,
)


@pytest.mark.parametrize("capacity", [None, 0.0, 312.5])
def test_it_survives_the_way_through_redis(capacity: float | None) -> None:
    told = WorkerCapacity(12.5, capacity)

    assert decode_capacity(encode_capacity(told)) == told


@pytest.mark.parametrize("payload", [b"", b"x", b"\x90", b"\x82\xa2at\xa1x"])
def test_what_cannot_be_read_is_said_to_be_so_and_counts_for_nothing(payload: bytes) -> None:
    with pytest.raises(CapacityError):
        decode_capacity(payload)
    assert is_stale(payload, now=0.0)


@pytest.mark.parametrize(("age", "stale"), [(0.0, False), (9.0, False), (11.0, True)])
def test_an_old_word_counts_for_nothing(age: float, stale: bool) -> None:
    told = encode_capacity(WorkerCapacity(100.0, 3.0))

    assert is_stale(told, now=100.0 + age) is stale
