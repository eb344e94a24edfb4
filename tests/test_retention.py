"""An ended call is kept until it is stored.  Real sockets, and a real Valkey that loses its data."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import Listener, calling, gateway, stream
from support.stored import stored_call
from support.valkey import ValkeyServer
from support.waiting import until_it_holds

from broker.redis_keys import Partition
from cli.recording import read_recording
from protocol.audio import Encoding, encode
from streaming.settings import GatewaySettings
from transcripts.recorder import Recorder
from transcripts.store import Store
from workers.job_queue import WorkQueue
from workers.settings import WorkerSettings
from workers.worker import Worker

PROMPT = Path(__file__).parent / "speech" / "prompts" / "vm-rec-busy.wav"


SPOKEN = np.concatenate([read_recording(PROMPT).channels[0], np.zeros(8_000, np.int16)])
P0 = Partition(0)


async def a_call(url: str) -> Listener:
    """A call that has ended; its log is complete unless no worker reads its segments."""
    async with calling(url, call_id="c1") as (bridge, heard):
        await stream(bridge, encode(SPOKEN, Encoding.MULAW), frame=160, pace=20)
        await bridge.send('{"type":"stop"}')
        await bridge.wait_closed()
    return heard


@asynccontextmanager
async def reading(redis: Redis) -> AsyncIterator[None]:
    """A worker at work."""
    queue = WorkQueue(redis, [P0], "worker-1")
    async with doing(Worker(queue, [P0], LengthTeller(), WorkerSettings()).run()):
        yield


@asynccontextmanager
async def doing(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    yield store
    store.close()


async def stored(redis: Redis, store: Store) -> dict[str, str]:
    """The events that a late recorder stores, segment by segment."""
    async with doing(Recorder(redis, store, [P0.outbox], "recorder-1").run()):
        call = await stored_call(store, "c1")
    return {str(one.segment): one.text for one in call.segments}


def told(heard: Listener) -> dict[str, str]:
    finals = {event["segment_id"]: event["text"] for event in heard.of("segment.final")}
    assert finals
    return finals


async def test_a_call_that_is_not_stored_yet_survives_the_death_of_redis(
    valkey: ValkeyServer, redis: Redis, store: Store
) -> None:
    async with gateway(redis) as url, reading(redis):
        heard = await a_call(url)
        valkey.kill()
        valkey.start()

        assert await stored(redis, store) == told(heard)


async def test_a_call_is_held_until_it_is_stored_however_long_that_takes(
    valkey: ValkeyServer, redis: Redis, store: Store
) -> None:
    """Longer than the gateway waits for the last finals of a call, and over two losses of Redis."""
    brief = GatewaySettings(drain_seconds=0, hold_seconds=1.0)
    async with gateway(redis, brief) as url, reading(redis):
        heard = await a_call(url)
        for _ in range(2):
            valkey.kill()
            valkey.start()
            await until_it_holds(lambda: has_entries(redis))

        assert await stored(redis, store) == told(heard)


async def test_a_deleted_outbox_is_filled_again(redis: Redis, store: Store) -> None:
    async with gateway(redis) as url, reading(redis):
        heard = await a_call(url)
        await until_it_holds(lambda: has_retired(redis))
        await redis.delete(P0.outbox)
        await until_it_holds(lambda: has_entries(redis))

        assert await stored(redis, store) == told(heard)


async def test_a_call_whose_last_finals_are_late_survives_the_death_of_redis(
    valkey: ValkeyServer, redis: Redis, store: Store
) -> None:
    """The bridge is gone, no worker is there, and the gateway has waited as long as a bridge is kept waiting."""
    brief = GatewaySettings(drain_seconds=0, hold_seconds=0.1)
    async with gateway(redis, brief) as url:
        await a_call(url)
        valkey.kill()
        valkey.start()
        async with reading(redis):
            texts = await stored(redis, store)

    assert texts
    assert all(texts.values())


async def test_a_bridge_is_told_that_the_last_texts_are_late(redis: Redis) -> None:
    """No worker is there, and the gateway does not wait long."""
    brief = GatewaySettings(drain_seconds=0, hold_seconds=0.1)
    async with gateway(redis, brief) as url, calling(url, call_id="c1") as (bridge, _):
        await stream(bridge, encode(SPOKEN, Encoding.MULAW), frame=160, pace=20)
        await bridge.send('{"type":"stop"}')
        await bridge.wait_closed()

    assert bridge.close_code == 1000
    assert "late" in (bridge.close_reason or "")


async def has_entries(redis: Redis) -> bool:
    return bool(await redis.xlen(P0.outbox))


async def has_retired(redis: Redis) -> bool:
    return not await redis.zcard(P0.calls)
