"""A recorder that is killed again and again while it stores calls and sends webhooks: each event arrives."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from support.call_records import CALL, fields
from support.examples import examples
from support.valkey import ValkeyServer
from support.waiting import until_in_thread
from support.webhooks import Hook, data_of, hook

from broker.redis_keys import Partition
from transcripts.store import Store
from transcripts.webhooks.endpoint import DeliveryState
from transcripts.webhooks.events import SUBSCRIBABLE, EventKind

OUTBOX = Partition(0).outbox
LIVES = examples(4)

RECORDER = """
import asyncio, sys, time
from broker.connections.connection import connect
from protocol.settings import RedisSettings
from transcripts.database.opening import open_database
from transcripts.recorder import Recorder
from transcripts.settings import RecorderSettings
from transcripts.store import Store

BEGAN = time.time()
LATER = 1_000 * int(sys.argv[4])

def clock():
    return BEGAN + LATER + 20 * (time.time() - BEGAN)

async def run():
    redis = connect(RedisSettings(url=sys.argv[1]))
    settings = RecorderSettings(batch=5, block_ms=20, webhook_networks="127.0.0.1")
    await Recorder(redis, Store(open_database(sys.argv[2]), clock), [sys.argv[3]], "r1", settings).run()

asyncio.run(run())
"""
"""A recorder whose clock is fast, and further on in each life: leases and pauses of the life before are over."""


@asynccontextmanager
async def recorder(
    valkey: ValkeyServer, store_url: str, life: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a recorder, and kill it at the end of the context."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RECORDER, valkey.url, store_url, OUTBOX, str(life)
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def put_call(redis: Redis, name: str) -> None:
    for seq, event in enumerate(CALL, 1):
        await redis.xadd(OUTBOX, fields(name, seq, event))


@pytest.mark.waits
async def test_each_event_arrives_however_often_the_sender_is_killed(
    valkey: ValkeyServer, redis: Redis, store_url: str
) -> None:
    store = Store.open(store_url)
    async with hook() as receiver:
        receiver.answer = lambda number: "500 Error" if fails(receiver, number) else "200 OK"
        kinds = [EventKind(name) for name in SUBSCRIBABLE]
        endpoint = store.webhooks.add("", receiver.url, kinds)
        for life in range(LIVES):
            await put_call(redis, f"c{life}")
            before = len(receiver.bodies)
            async with recorder(valkey, store_url, life):
                await receiver.until(lambda it, before=before: len(it.bodies) > before)  # type: ignore[misc]
        async with recorder(valkey, store_url, LIVES):
            await all_delivered(store, endpoint.webhook_id)

    bodies = receiver.verified(endpoint.secrets[0].text)
    numbers = range(len(receiver.headers))
    accepted = {receiver.headers[n]["webhook-id"] for n in numbers if not fails(receiver, n)}
    assert accepted == receiver.ids
    assert len(receiver.ids) == 7 * LIVES
    for kind in ("call.started", "call.ended", "call.stored", "keyword.heard"):
        assert {one["call_id"] for one in data_of(bodies, kind)} == {f"c{n}" for n in range(LIVES)}
    texts = {(one["call_id"], one["text"]) for one in data_of(bodies, "call.final")}
    assert len(texts) == 3 * LIVES
    store.close()


def fails(receiver: Hook, number: int) -> bool:
    """Whether a request is answered with an error: the first one of half of the deliveries."""
    name = receiver.headers[number]["webhook-id"]
    is_first = all(one["webhook-id"] != name for one in receiver.headers[:number])
    return is_first and int(name[-1], 16) % 2 == 0


async def all_delivered(store: Store, webhook_id: str) -> None:
    def are_delivered() -> bool:
        state = store.webhooks.endpoint("", webhook_id)
        assert state is not None
        return state.counts == {DeliveryState.DELIVERED: 7 * LIVES}

    await until_in_thread(are_delivered)
