"""
A Redis that restarts with a part of its data: B11, B12 and B13 of docs/reliability.md.

A server with its append-only file after a power failure does this, and so does a replica that was behind its
master.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.job_streams import P0, JobStream, speech
from support.pipeline import calling, pipeline, stream
from support.ports import free_port
from support.proxy import proxied
from support.servers import client, server, until
from support.spoken_calls import AUDIO, assert_whole
from support.stored import stored_call
from support.valkey import ValkeyServer
from support.waiting import PATIENCE

from broker.connections.connection import connect
from broker.redis_keys import CallKeys, Partition
from protocol.calls.call import CallConfig, Role
from protocol.events import SegmentId, Span, SpeechStarted
from protocol.events.event_codec import encode_event
from protocol.settings import RedisSettings
from streaming.call.checkpoint import Checkpoint
from streaming.call.ledger import Ledger, LogEvent
from streaming.call_store import CallStore, LogLostError
from workers.job_queue import Outcome, UnseenLogError, WorkQueue

BEFORE = 13 * 8_000
"""Bytes of `AUDIO` in which two segments end."""


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A Valkey with an append-only file, in place of the usual one."""
    with ValkeyServer(tmp_path / "valkey.sock", durable=True) as server:
        yield server


@pytest.mark.parametrize("forgotten", [0, 1, 2])
async def test_b13_finals_lost_by_redis_are_restored(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path, forgotten: int
) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, call_id="c1", channels=1) as (bridge, heard):
            sending = asyncio.ensure_future(stream(bridge, AUDIO[:BEFORE], frame=160, pace=20))
            if forgotten < 2:
                await heard.until("segment.final", 2 - forgotten)
            written = valkey.written
            await sending
            await heard.until("segment.final", 2)
            valkey.kill()
            valkey.cut(written)
            valkey.start()
            await stream(bridge, AUDIO[BEFORE:], frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            async with asyncio.timeout(PATIENCE):
                await heard.until("call.ended")
        stored = await stored_call(it.store, "c1")

    assert_whole(heard)
    told = {event["segment_id"]: event["text"] for event in heard.of("segment.final")}
    assert {str(one.segment): one.text for one in stored.segments} == told


@pytest.mark.parametrize("missed", [1, pytest.param(2, marks=pytest.mark.long)])
async def test_b12_what_only_the_cut_off_master_knows_is_written_to_the_promoted_one(
    tmp_path: Path, missed: int
) -> None:
    """
    The replica is promoted behind the back of everybody: the gateway, the worker and the recorder go on with the old
    master, which accepts `missed` more finals.  Then they meet the replica, whose data end before these.
    """
    old, new = free_port(), free_port()
    follow = ("--replicaof", "127.0.0.1", str(old))
    with (
        server(tmp_path / "old", old, "--save", ""),
        server(tmp_path / "new", new, "--save", "", *follow),
    ):
        until(lambda: client(new).info("replication")["master_link_status"] == "up")
        async with proxied(old) as line:
            redis = connect(RedisSettings(url=line.url))
            async with (
                pipeline(redis, tmp_path, LengthTeller()) as it,
                calling(it.url, call_id="c1", channels=1) as (bridge, heard),
            ):
                sending = asyncio.ensure_future(stream(bridge, AUDIO[:BEFORE], frame=160, pace=20))
                if missed < 2:
                    await heard.until("segment.final", 2 - missed)
                client(new).replicaof("NO", "ONE")
                await sending
                await heard.until("segment.final", 2)
                line.upstream = new
                line.cut()
                await stream(bridge, AUDIO[BEFORE:], frame=160, pace=20)
                await bridge.send('{"type":"stop"}')
                async with asyncio.timeout(PATIENCE):
                    await heard.until("call.ended")
                stored = await stored_call(it.store, "c1")
            await redis.aclose()

    assert_whole(heard)
    told = {event["segment_id"]: event["text"] for event in heard.of("segment.final")}
    assert {str(one.segment): one.text for one in stored.segments} == told


async def test_nothing_is_logged_before_the_owner_of_the_call_has_looked(
    valkey: ValkeyServer, redis: Redis
) -> None:
    """Otherwise the next event would get a seq that readers know with another content."""
    job_stream = JobStream(redis)
    await job_stream.begin()
    await job_stream.queue(0, speech(5))
    queue = WorkQueue(redis, [P0], "worker-1")
    await queue.prepare()
    (claimed,) = await queue.claim(P0, 1, 1_000)

    valkey.kill()
    valkey.start()
    await redis.connection_pool.disconnect()
    with pytest.raises(UnseenLogError):
        await queue.settle(claimed, b"a final")
    await job_stream.poll()

    assert await queue.settle(claimed, b"a final") is Outcome.RECORDED
    assert await queue.settle(claimed, b"a final") is Outcome.LOST


async def test_nothing_is_queued_before_the_owner_of_the_call_has_looked(
    valkey: ValkeyServer, redis: Redis
) -> None:
    """Else a final might stand in the log before the beginning of its segment."""
    job_stream = JobStream(redis)
    await job_stream.begin()

    valkey.kill()
    valkey.start()
    await redis.connection_pool.disconnect()
    with pytest.raises(LogLostError):
        await job_stream.queue(0, speech(5))
    assert await redis.xlen(P0.finals_in("en-en")) == 0
    await job_stream.poll()
    await job_stream.queue(0, speech(5))

    assert await redis.xlen(P0.finals_in("en-en")) == 1


async def test_audio_that_a_new_redis_was_not_given_is_asked_of_the_bridge_again(
    redis: Redis,
) -> None:
    """A gateway that dies behind the restore of a log and before it has written the audio of waiting segments."""
    ledger, keys = Ledger(piece=1_600), CallKeys(Partition(0), "c1")
    start = Checkpoint((Role.MIXED,), "native", 0.0, CallConfig(), (0,))
    first = CallStore(redis, keys, "first")
    await first.open("log-a", start)
    for number in range(3):
        segment, span = SegmentId(0, number), Span(8_000 * number + 4_000, 8_000 * number + 8_000)
        ledger.open(segment, span.start)
        ledger.log(f"speech:{segment}", encode_event(SpeechStarted(segment, span.start)))
        ledger.feed(segment, bytes(4 * 4_000))
        ledger.close(segment, span, 4 * 4_000, b"job")
    for write in [one for one in ledger.due() if isinstance(one, LogEvent)]:
        ledger.apply(write.name, write.payload)

    await redis.flushall()
    ledger.lost()
    place = ledger.safe(0)
    assert place is not None
    await first.restore(ledger.known, replace(start, heard=(place,)))
    second = CallStore(redis, keys, "second")
    assert not await second.open("log-b", start)
    recovered = await second.recovered(start)

    assert (place, recovered.heard(0)) == (4_000, 4_000)
    assert [one.is_lost for one in recovered.unsettled_segments] == [True] * 3
