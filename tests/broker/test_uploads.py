"""Limits of uploads: the lowest rate of a body, and the memory for each client."""

import pytest

from broker.http.limits import Share, UploadLimits
from broker.http.uploads import ArrivalDeadline, Shares, UploadError, Uploads


def arrives(seconds: int, every: float, size: int, slowest: float = 1_000) -> bool:
    """Whether a body of parts of `size` bytes `every` so many seconds is read to its end."""
    deadline, now = ArrivalDeadline(slowest, 0.0), 0.0
    while now < seconds:
        now += every
        if now > deadline.at:
            return False
        deadline.received(size, now)
    return True


@pytest.mark.parametrize(
    ("about", "seconds", "every", "size", "whole"),
    [
        ("a call of 150 s that is posted while it lasts", 150, 0.02, 160, True),
        ("a call of an hour", 3_600, 1, 8_000, True),
        ("pauses of 25 s", 600, 25, 25_000, True),
        ("one byte a second", 3_600, 1, 1, False),
        ("half the rate", 3_600, 1, 500, False),
        ("a pause of 31 s", 600, 31, 1_000_000, False),
    ],
)
def test_what_counts_is_the_rate(
    about: str,
    seconds: int,
    every: float,
    size: int,
    whole: bool,
) -> None:
    assert arrives(seconds, every, size) is whole, about


def test_one_tenant_leaves_room_for_others() -> None:
    shares = Shares(Share(per_tenant=2, total=3), "recordings")
    shares.take("acme", 2)

    with pytest.raises(UploadError) as greedy:
        shares.take("acme")
    shares.take("globex")
    with pytest.raises(UploadError) as full:
        shares.take("initech")
    shares.give_back("acme")
    shares.take("initech")

    assert (greedy.value.status, full.value.status) == (429, 503)


def test_an_upload_gives_back_what_it_has_taken_however_it_ends() -> None:
    one = Share(1, 1)
    uploads = Uploads(UploadLimits(1_000, uploads=one, size=Share(10, 10), work=one))

    for _ in range(3):
        with pytest.raises(UploadError), uploads.upload("acme") as grow:
            grow(9)
            grow(2)
    with uploads.upload("acme") as grow:
        grow(10)
