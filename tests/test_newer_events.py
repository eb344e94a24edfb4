"""A worker or gateway may be newer than its neighbours: unknown fields and event types pass through unchanged."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis
from structlog.testing import capture_logs
from structlog.typing import EventDict
from support.answers import entries_of
from support.endpoints import sent_events
from support.engines import LengthTeller
from support.newer_events import of_next_version, of_unknown_type, with_unknown_field
from support.pipeline import Listener, calling, pipeline
from support.ports import free_port
from support.waiting import PATIENCE, until_in_thread
from websockets.asyncio.client import connect

from broker.redis_keys import CallKeys, Partition
from protocol.calls.call import CallConfig, Role
from protocol.events import (
    CallStarted,
    Fault,
    LineWarning,
    SegmentFailed,
    SegmentId,
    Span,
    SpeechStarted,
)
from protocol.events.event_codec import encode_event
from streaming.call.call import Call
from streaming.call.checkpoint import Checkpoint
from streaming.call.identity import CallIdentity
from streaming.call.ledger import Ledger, LogEvent
from streaming.call.recovery import RecoveredCall
from streaming.call_store import CallStore
from streaming.settings import GatewaySettings
from transcripts.store import Store

KEYS = CallKeys(Partition(0), "c1")
CHECKPOINT = Checkpoint((Role.MIXED,), "native", 0.0, CallConfig(), (800,))
WARNING = LineWarning(0, Fault.NOISE, "check the line", 1.0, "dB", 800)
STARTED = LogEvent("started", encode_event(CallStarted((Role.MIXED,), "en", "native", 0.0)))
RICHER = LogEvent("line:0:noise:800", with_unknown_field(WARNING))
UNKNOWN = LogEvent("speaker:1", of_unknown_type(channel=0, speaker="B"))
BROKEN = LogEvent("broken", b"\xff not an event")
NEWER = [RICHER, UNKNOWN, BROKEN]


async def logged(redis: Redis) -> list[bytes]:
    """The events of the call in Redis, as bytes."""
    return [fields[b"e"] for _, fields in await entries_of(redis, KEYS.log)]


async def store_of(redis: Redis) -> CallStore:
    """The writes of the call's owner, as another process of it would make them."""
    log, owner = await redis.hmget(KEYS.meta, ["log", "owner"])
    assert isinstance(log, bytes)
    assert isinstance(owner, bytes)
    store = CallStore(redis, KEYS, owner.decode())
    store.log = log.decode()
    return store


def recalled(recovered: RecoveredCall) -> Call:
    identity = CallIdentity("c1", recovered.log, (Role.MIXED,), "native", 0.0)
    call = Call(identity, recovered.config, Ledger(100), 500, lambda: 0.0)
    call.recall(recovered)
    return call


async def test_a_restore_writes_the_same_bytes_into_an_emptied_redis(redis: Redis) -> None:
    store = CallStore(redis, KEYS, "gateway")
    await store.open("log-a", CHECKPOINT)
    await store.perform([STARTED, *NEWER])
    before = await logged(redis)
    call = recalled(await store.recovered(CHECKPOINT))

    await redis.flushall()
    await store.restore(call.ledger.known, CHECKPOINT)

    assert before == [one.payload for one in (STARTED, *NEWER)]
    assert await logged(redis) == before
    outbox = await entries_of(redis, KEYS.partition.outbox)
    assert [fields[b"e"] for _, fields in outbox] == before


async def test_the_log_of_an_ended_call_is_sent_again_with_the_same_bytes(redis: Redis) -> None:
    store = CallStore(redis, KEYS, "gateway")
    await store.open("log-a", CHECKPOINT)
    await store.perform([STARTED, *NEWER])
    call = recalled(await store.recovered(CHECKPOINT))

    await redis.delete(KEYS.partition.outbox)
    await store.resend(call.ledger.known)

    outbox = await entries_of(redis, KEYS.partition.outbox)
    assert [fields[b"e"] for _, fields in outbox] == await logged(redis)


async def test_a_terminal_event_of_a_newer_version_settles_its_segment_and_its_turn(
    redis: Redis,
) -> None:
    """Otherwise the call never ends, and after a restore the channel's next final waits for ever."""
    store = CallStore(redis, KEYS, "gateway")
    await store.open("log-a", CHECKPOINT)
    first, second = SegmentId(0, 0), SegmentId(0, 1)
    newer = of_next_version(SegmentFailed(first, Span(0, 800), "reason"))
    await store.perform(
        [
            STARTED,
            *(
                LogEvent(f"speech:{one}", encode_event(SpeechStarted(one, 0)))
                for one in (first, second)
            ),
            LogEvent(str(first), newer),
        ]
    )
    recovered = await store.recovered(CHECKPOINT)
    call = recalled(recovered)

    await redis.flushall()
    await store.restore(call.ledger.known, CHECKPOINT)

    assert call.ledger.unsettled == {second}
    assert recovered.opened(0) == 2
    assert await redis.hget(KEYS.meta, "next:0") == b"1"


@asynccontextmanager
async def capturing() -> AsyncIterator[list[EventDict]]:
    """Collect the log lines."""
    with capture_logs() as lines:
        yield lines


@asynccontextmanager
async def listening(ws: str, http: str) -> AsyncIterator[tuple[Listener, asyncio.Task[list[str]]]]:
    """One listener of the call by WebSocket, one by server-sent events."""
    listener = Listener()
    reading = asyncio.ensure_future(_read(f"{http}/v1/calls/c1/events"))
    async with connect(f"{ws}/v1/calls/c1/events") as socket:
        by_socket = asyncio.ensure_future(listener.listen(socket))
        yield listener, reading
        await by_socket


async def _read(url: str) -> list[str]:
    return [sent.event["type"] async for sent in sent_events(url)]


async def quarantined(store: Store) -> list[bytes]:
    """The bytes of the entries that the recorder could not read, when there are as many as expected."""
    await until_in_thread(lambda: len(store.quarantined()) >= 2)
    return [one.arrival.payload for one in store.quarantined()]


async def test_unreadable_events_end_no_bridge_no_listener_and_no_recorder(
    redis: Redis, tmp_path: Path
) -> None:
    settings = GatewaySettings(http_port=free_port(), drain_seconds=0)
    async with (
        capturing() as lines,
        asyncio.timeout(PATIENCE),
        pipeline(redis, tmp_path, LengthTeller(), gateway=settings) as it,
        calling(it.url, call_id="c1", channels=["mixed"]) as (bridge, heard),
        listening(it.url, f"http://127.0.0.1:{settings.http_port}") as (listener, reading),
    ):
        await heard.until("call.started")
        await (await store_of(redis)).perform(NEWER)
        await redis.publish(KEYS.live, b"a message of a newer version")
        await redis.publish(KEYS.live, b"- " + of_unknown_type(partial=True))
        await heard.until("line_warning")
        before = await logged(redis)

        await redis.flushall()
        await bridge.send('{"type":"dtmf","channel":0,"digit":"#"}')
        await heard.until("dtmf")
        after = await logged(redis)
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")
        await listener.until("call.ended")
        by_events = await reading
        aside = await quarantined(it.store)

    assert after[: len(before)] == before
    assert set(before) >= {one.payload for one in NEWER}
    readable = ["call.started", "line_warning", "dtmf", "call.ended"]
    for told in (heard.events, listener.events):
        assert [event["type"] for event in told] == readable
    assert by_events == readable
    assert set(aside) == {UNKNOWN.payload, BROKEN.payload}
    unread = [line["name"] for line in lines if line["event"] == "event_not_read"]
    assert sorted(unread) == [""] * 3 + ["SpeakerChanged"] * 3, "one line for each type and reader"
