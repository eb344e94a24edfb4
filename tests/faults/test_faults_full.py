"""
A Redis without free memory, and keys with a wrong type: B8 and B10 of docs/reliability.md.

Real Valkey with a memory limit, the whole pipeline.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import calling, gateway, pipeline, stream
from support.spoken_calls import AUDIO, assert_whole
from support.stored import stored_call
from support.waiting import PATIENCE, until_it_holds
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from broker.queries import probe
from broker.redis_keys import CallKeys, Partition
from protocol.calls.call import CallConfig, Role
from streaming.call.checkpoint import Checkpoint
from streaming.call_store import CallStore, OverloadedError
from transcripts.recorder import Recorder
from transcripts.store import Store

HALF = len(AUDIO) // 2
P0 = Partition(0)
C1 = CallKeys(P0, "c1")
CHECKPOINT = Checkpoint((Role.MIXED,), "native", 0.0, CallConfig(), (0,))


async def fill(redis: Redis, share: float) -> None:
    """Set the limit so that this part of it is in use."""
    used = (await redis.info("memory"))["used_memory"]
    await redis.config_set("maxmemory", int(used / share))


def queue(redis: Redis, call_id: str, owner: str, share: float = 0.8) -> CallStore:
    return CallStore(redis, CallKeys(P0, call_id), owner, memory_share=share)


async def test_no_call_is_begun_from_a_share_of_the_memory_on_and_one_in_progress_goes_on(
    redis: Redis,
) -> None:
    there = queue(redis, "there", "owner-a")
    await there.open("log-a", CHECKPOINT)
    await fill(redis, 0.85)

    with pytest.raises(OverloadedError):
        await queue(redis, "new", "owner-a").open("log-b", CHECKPOINT)
    keys = await redis.keys("*new*")
    goes_on = await queue(redis, "there", "owner-b").open("log-b", CHECKPOINT)
    await fill(redis, 0.5)

    assert keys == []
    assert goes_on is False
    assert await queue(redis, "new", "owner-a").open("log-b", CHECKPOINT) is True


async def test_a_server_says_how_full_it_is(redis: Redis) -> None:
    without = await probe(redis, P0)
    await fill(redis, 0.5)
    half = await probe(redis, P0)

    assert without.share == 0
    assert 0.4 < half.share < 0.6


async def test_a_gateway_refuses_new_calls_while_redis_is_full_and_finishes_the_others(
    redis: Redis, tmp_path: Path
) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, call_id="c1") as (bridge, heard):
            await stream(bridge, AUDIO[:HALF], frame=160, pace=20)
            await heard.until("segment.final")
            await redis.config_set("maxmemory", "1mb")
            await until_it_holds(lambda: is_refused(f"{it.url}/twilio"))
            await stream(bridge, AUDIO[HALF:], frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
        async with connect(f"{it.url}/v1/calls") as another:  # it might come back to a call
            await another.send('{"type":"start","call_id":"c2"}')
            with pytest.raises(ConnectionClosed):
                while True:
                    await another.recv()
        await redis.config_set("maxmemory", 0)
        await until_it_holds(lambda: is_taken(f"{it.url}/twilio"))
        await stored_call(it.store, "c1")

    assert another.close_code == 1013
    assert_whole(heard)


async def is_refused(url: str) -> bool:
    try:
        async with connect(url):
            return False
    except InvalidStatus as exc:
        return exc.response.status_code == 503


async def is_taken(url: str) -> bool:
    return not await is_refused(url)


async def test_a_recorder_that_begins_when_redis_is_full_makes_room(
    redis: Redis, tmp_path: Path
) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    recorder = Recorder(redis, store, [P0.outbox], "recorder-1")
    async with gateway(redis) as url, calling(url, call_id="c1") as (bridge, heard):
        await heard.until("call.started")
        await redis.config_set("maxmemory", "1mb")
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")
        recording = asyncio.ensure_future(recorder.run())
        await stored_call(store, "c1")
        recording.cancel()
        await asyncio.gather(recording, return_exceptions=True)
    store.close()


async def spoil_the_call(redis: Redis) -> None:
    for key in (C1.meta, C1.log, C1.settled):
        await redis.set(key, "spoilt")


async def empty_the_job_stream(redis: Redis) -> None:
    await redis.xtrim(P0.finals_in("en-en"), maxlen=0, approximate=False)


async def spoil_the_job_streams(redis: Redis) -> None:
    for key in (P0.outbox, P0.calls, P0.finals_in("en-en")):
        await redis.set(key, "spoilt")


@pytest.mark.parametrize("spoil", [spoil_the_call, empty_the_job_stream, spoil_the_job_streams])
async def test_a_call_whose_keys_are_spoilt_ends_as_it_should(
    redis: Redis, tmp_path: Path, spoil: Callable[[Redis], Awaitable[None]]
) -> None:
    """The operator deletes the job streams of all calls, as the error text says."""
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, call_id="c1") as (bridge, heard):
            await stream(bridge, AUDIO[:HALF], frame=160, pace=20)
            await heard.until("segment.final")
            await spoil(redis)
            await stream(bridge, AUDIO[HALF:], frame=160, pace=20)
            for key in (P0.outbox, P0.calls, P0.finals_in("en-en")):
                if await redis.type(key) == b"string":
                    await redis.delete(key)
            await bridge.send('{"type":"stop"}')
            async with asyncio.timeout(PATIENCE):
                await heard.until("call.ended")
        stored = await stored_call(it.store, "c1")

    assert_whole(heard)
    told = {event["segment_id"]: event["text"] for event in heard.of("segment.final")}
    assert {str(one.segment): one.text for one in stored.segments} == told
