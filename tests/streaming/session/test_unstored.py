"""Ended calls that are not stored yet: which are kept, for how long, and which are dropped first."""

from redis.asyncio import Redis

from broker.queries import EntryId, ServerProbe
from broker.redis_keys import CallKeys, Partition
from protocol.calls.call import CallConfig, Role
from streaming.call.checkpoint import Checkpoint
from streaming.call.known_events import KnownEvents
from streaming.call_store import CallStore
from streaming.session.unstored import EndedCall, Unstored

P0, P1 = Partition(0), Partition(1)
CHECKPOINT = Checkpoint((Role.MIXED,), "native", 0.0, CallConfig(), (0,))


def ended(call_id: str, size: int = 10, partition: Partition = P0) -> EndedCall:
    queue = CallStore(Redis(), CallKeys(partition, call_id), "owner")
    return EndedCall(queue, CHECKPOINT, KnownEvents([("", bytes(size))]))


def server(
    oldest: EntryId | None = None, newest: EntryId = (5, 0), life: str = "a", added: int = 9
) -> ServerProbe:
    return ServerProbe(life, 0, 0, oldest, newest, added)


def test_a_call_is_held_until_what_was_in_the_outbox_at_its_end_is_stored() -> None:
    unstored = Unstored(100)
    unstored.poll(P0, server())
    unstored.hold(ended("c1"))

    unstored.poll(P0, server(oldest=(3, 0), newest=(5, 0)))
    unstored.poll(P0, server(oldest=(5, 0), newest=(7, 0)))
    before = len(unstored), unstored.size
    unstored.poll(P0, server(oldest=(5, 1), newest=(7, 0)))

    assert before == (1, 10)
    assert (len(unstored), unstored.size) == (0, 0)


def test_an_empty_outbox_means_that_all_is_stored() -> None:
    unstored = Unstored(100)
    unstored.poll(P0, server())
    unstored.hold(ended("c1"))

    unstored.poll(P0, server())
    unstored.poll(P0, server())

    assert len(unstored) == 0


def test_entries_are_compared_as_numbers() -> None:
    unstored = Unstored(100)
    unstored.poll(P0, server())
    unstored.hold(ended("c1"))

    unstored.poll(P0, server(oldest=(9, 0), newest=(10, 0)))
    unstored.poll(P0, server(oldest=(10, 0), newest=(10, 0)))

    assert len(unstored) == 1


def test_calls_are_restored_to_a_restarted_server_and_kept() -> None:
    unstored, first, other = Unstored(100), ended("c1"), ended("c2", partition=P1)
    for partition in (P0, P1):
        unstored.poll(partition, server())
    unstored.hold(first)
    unstored.hold(other)
    unstored.poll(P0, server(oldest=(5, 0)))

    again = unstored.poll(P0, server(oldest=None, life="b", newest=(0, 0), added=0))

    assert again == [first]
    assert len(unstored) == 2
    assert unstored.poll(P0, server(oldest=(8, 0), newest=(8, 0), life="b", added=1)) == []
    assert len(unstored) == 2


def test_a_deleted_outbox_is_filled_again() -> None:
    unstored, call = Unstored(100), ended("c1")
    unstored.poll(P0, server(added=9))
    unstored.hold(call)
    unstored.poll(P0, server(oldest=(5, 0), added=10))

    assert unstored.poll(P0, server(oldest=(9, 0), newest=(9, 0), added=1)) == [call]


def test_a_call_that_ended_before_the_first_check_is_restored() -> None:
    unstored, call = Unstored(100), ended("c1")
    unstored.hold(call)

    assert unstored.poll(P0, server()) == [call]
    assert unstored.poll(P0, server()) == []


def test_without_room_the_call_that_ended_first_is_let_go_first() -> None:
    unstored, first, second = Unstored(25), ended("c1"), ended("c2")
    unstored.hold(first)
    unstored.hold(second)

    assert unstored.hold(ended("c3")) == [first]
    assert unstored.hold(ended("c4", size=15)) == [second]
    assert unstored.size == 25


def test_a_call_that_is_larger_than_the_limit_is_not_held() -> None:
    unstored, call = Unstored(9), ended("c1")

    assert unstored.hold(call) == [call]
    assert (len(unstored), unstored.size) == (0, 0)
