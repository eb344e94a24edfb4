"""A recorder process that is killed while it stores."""

import asyncio
import contextlib
import sys

import pytest
from redis.asyncio import Redis
from support.call_records import fields, final
from support.valkey import ValkeyServer
from support.waiting import until, until_in_thread

from broker.redis_keys import RECORDER, Partition
from transcripts.recorder import Recorder
from transcripts.settings import RecorderSettings
from transcripts.store import Store

OUTBOX = Partition(0).outbox
WORDS = [f"word{number}" for number in range(1_000)]
"""So many that a recorder is not done with them before it is killed."""

HALF = len(WORDS) // 2
KILLED = """
import asyncio, sys
from broker.connections.connection import connect
from protocol.settings import RedisSettings
from transcripts.recorder import Recorder
from transcripts.settings import RecorderSettings
from transcripts.store import Store

async def run():
    redis = connect(RedisSettings(url=sys.argv[1]))
    await Recorder(redis, Store.open(sys.argv[2]), [sys.argv[3]], "r1", RecorderSettings(batch=5)).run()

asyncio.run(run())
"""
"""A recorder in a process of its own."""


def texts(store: Store) -> list[str]:
    found = store.transcript("c1")
    return [one.text for one in found.segments] if found else []


async def put_words(redis: Redis, numbers: range) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        for number in numbers:
            word = WORDS[number]
            pipe.xadd(OUTBOX, fields("c1", number + 1, final(word, number=number)))
        await pipe.execute()


async def empty(redis: Redis) -> None:
    async def is_empty() -> bool:
        return not await redis.xlen(OUTBOX)

    await until(is_empty)


@pytest.mark.parametrize("stored_before", [0, pytest.param(20, marks=pytest.mark.long), 120])
async def test_a_recorder_killed_at_any_moment_costs_no_word(
    valkey: ValkeyServer, redis: Redis, store_url: str, stored_before: int
) -> None:
    """Its next life has the same name; another one's would wait until it is sure that this one is dead."""
    store = Store.open(store_url)
    await put_words(redis, range(HALF))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, valkey.url, store_url, OUTBOX
    )
    try:
        await until_in_thread(lambda: len(texts(store)) > stored_before)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    before = len(texts(store))
    await put_words(redis, range(HALF, len(WORDS)))  # a fast recorder had stored the first half

    recording = asyncio.ensure_future(
        Recorder(redis, store, [OUTBOX], "r1", RecorderSettings(block_ms=20)).run()
    )
    await empty(redis)
    recording.cancel()
    await asyncio.wait([recording])

    assert stored_before < before <= HALF
    assert texts(store) == WORDS
    assert (await redis.xpending(OUTBOX, RECORDER))["pending"] == 0
    store.close()
