"""Which connection is closed when too many have not sent their request."""

from broker.http.pending import PendingConnections, group


def test_the_oldest_of_an_address_gives_way_to_its_newest() -> None:
    pending = PendingConnections[str](most=100, most_per_address=2)

    assert [pending.add(name, "10.0.0.1") for name in "abcd"] == [None, None, "a", "b"]
    assert len(pending) == 2


def test_a_flood_takes_no_place_of_another_address() -> None:
    pending = PendingConnections[str](most=3, most_per_address=3)
    pending.add("bridge", "10.0.0.1")

    evicted = [pending.add(f"flood-{number}", "10.9.9.9") for number in range(5)]

    assert evicted == [None, None, "flood-0", "flood-1", "flood-2"]


def test_a_connection_that_has_spoken_is_no_longer_counted() -> None:
    pending = PendingConnections[str](most=1, most_per_address=1)
    pending.add("a", "10.0.0.1")
    pending.remove("a")
    pending.remove("a")

    assert pending.add("b", "10.0.0.1") is None
    assert len(pending) == 1


def test_addresses_of_one_host_are_one() -> None:
    assert group("2001:db8::1") == group("2001:db8::ffff:2") != group("2001:db8:1::1")
    assert group("::ffff:10.0.0.1") == group("10.0.0.1") != group("10.0.0.2")
