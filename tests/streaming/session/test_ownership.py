"""Ownership of a call in Redis: connections of bridges, takeover, and the previous owner."""

import pytest
from redis.asyncio import Redis

from broker.redis_keys import CallKeys, Partition
from protocol.calls.call import CallConfig, Role
from protocol.events import CallEnded, CallStarted
from protocol.events.event_codec import encode_event
from streaming.call.checkpoint import Checkpoint
from streaming.call.ledger import LogEvent
from streaming.call.recovery import RecoveredCall
from streaming.call_store import CallStore, SupersededError

CALL = CallKeys(Partition(0), "c1")
CHECKPOINT = Checkpoint((Role.MIXED,), "twilio", 0.0, CallConfig(), (800,))
STARTED = LogEvent("started", encode_event(CallStarted((Role.MIXED,), "en", "twilio", 0.0)))
ENDED = LogEvent("ended", encode_event(CallEnded("gateway lost", 800, 0, ())))


async def begun(redis: Redis) -> CallStore:
    bridge = CallStore(redis, CALL, "bridge")
    await bridge.open("log-a", CHECKPOINT)
    await bridge.perform([STARTED])
    return bridge


async def adopted(redis: Redis, by: str = "adopter") -> CallStore:
    adopter = CallStore(redis, CALL, by)
    assert await adopter.adopt(0)
    return adopter


async def take_back(queue: CallStore, log: str) -> tuple[RecoveredCall, bool]:
    return await queue.take_back(log, CHECKPOINT, await queue.recovered(CHECKPOINT))


async def test_a_call_is_taken_back_from_its_adopter_with_its_log(redis: Redis) -> None:
    bridge = await begun(redis)
    adopter = await adopted(redis)

    past, anew = await take_back(bridge, "log-b")

    assert (past.log, anew, len(past.entries)) == ("log-a", False, 1)
    await bridge.heartbeat(CHECKPOINT)
    with pytest.raises(SupersededError):
        await adopter.perform([ENDED])


async def test_an_adopter_of_an_adopter_is_none_the_less_one(redis: Redis) -> None:
    bridge = await begun(redis)
    await adopted(redis)
    await adopted(redis, by="another")

    _, anew = await take_back(bridge, "log-b")

    assert not anew


async def test_a_newer_connection_of_the_bridge_wins(redis: Redis) -> None:
    bridge = await begun(redis)
    await adopted(redis)
    newer = CallStore(redis, CALL, "newer")
    await newer.open("log-b", CHECKPOINT)

    with pytest.raises(SupersededError):
        await take_back(bridge, "log-c")
    await newer.heartbeat(CHECKPOINT)


async def test_a_connection_that_is_adopted_after_a_newer_one_is_not_taken_back_by_the_older(
    redis: Redis,
) -> None:
    bridge = await begun(redis)
    newer = CallStore(redis, CALL, "newer")
    await newer.open("log-b", CHECKPOINT)
    await adopted(redis)

    with pytest.raises(SupersededError):
        await take_back(bridge, "log-c")
    _, anew = await take_back(newer, "log-c")
    assert not anew


@pytest.mark.parametrize("retired", [False, True])
async def test_a_call_that_its_adopter_has_ended_goes_on_in_another_log(
    redis: Redis, retired: bool
) -> None:
    bridge = await begun(redis)
    adopter = await adopted(redis)
    await adopter.perform([ENDED])
    if retired:
        await adopter.retire()

    past, anew = await take_back(bridge, "log-b")

    assert (past.has_ended, past.heard(0), anew, bridge.log) == (True, 800, True, "log-b")
    assert await redis.ttl(CALL.meta) == -1
    assert await redis.xlen(CALL.log) == 0


async def test_a_call_taken_back_twice_because_the_reply_was_lost_is_taken_back_once(
    redis: Redis,
) -> None:
    bridge = await begun(redis)
    adopter = await adopted(redis)
    await adopter.perform([ENDED])
    await take_back(bridge, "log-b")

    _, anew = await take_back(bridge, "log-b")

    assert (anew, bridge.log) == (True, "log-b")
