"""From the outbox to the store, when a process dies in between."""

import asyncio
from pathlib import Path

from redis.asyncio import Redis
from support.valkey import ValkeyServer
from support.waiting import until_in_thread

from broker.connections.connection import connect
from broker.redis_keys import RECORDER, Partition
from protocol.events import Final, SegmentId, Span, Timing, Word
from protocol.events.event_codec import encode_event
from protocol.settings import RedisSettings
from transcripts.recorder import Recorder
from transcripts.store import Store

OUTBOX = Partition(0).outbox


def final(number: int) -> bytes:
    words = (Word(f"word{number}"),)
    return encode_event(
        Final(SegmentId(0, number), Span(number, number + 1), words, "en", 0, (), "e", Timing(0, 0))
    )


async def put(redis: Redis, *numbers: int) -> None:
    for number in numbers:
        await redis.xadd(OUTBOX, {"c": "c1", "s": number + 1, "e": final(number)})


async def stored(store: Store, count: int) -> list[str]:
    """The texts in the store, when there are `count`."""

    def texts() -> list[str]:
        found = store.transcript("c1")
        return [one.text for one in found.segments] if found else []

    await until_in_thread(lambda: len(texts()) >= count)
    return texts()


async def test_what_is_in_the_outbox_is_stored_and_leaves_it(redis: Redis, tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 's.db'}")
    await put(redis, 0, 1)
    recording = asyncio.ensure_future(Recorder(redis, store, [OUTBOX], "r1").run())

    texts = await stored(store, 2)
    await put(redis, 2)
    more = await stored(store, 3)
    recording.cancel()
    await asyncio.gather(recording, return_exceptions=True)

    assert (texts, more) == (["word0", "word1"], ["word0", "word1", "word2"])
    assert await redis.xlen(OUTBOX) == 0
    store.close()


async def test_entries_a_dead_recorder_had_claimed_are_stored_after_its_restart(
    redis: Redis, tmp_path: Path
) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 's.db'}")
    await put(redis, 0, 1)
    await redis.xgroup_create(OUTBOX, RECORDER, id="0")
    await redis.xreadgroup(RECORDER, "r1", {OUTBOX: ">"})  # and then it died

    recording = asyncio.ensure_future(Recorder(redis, store, [OUTBOX], "r1").run())
    texts = await stored(store, 2)
    recording.cancel()
    await asyncio.gather(recording, return_exceptions=True)

    assert texts == ["word0", "word1"]
    store.close()


async def test_it_goes_on_with_a_redis_that_came_back_empty(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 's.db'}")
    await put(redis, 0)
    recording = asyncio.ensure_future(Recorder(redis, store, [OUTBOX], "r1").run())
    await stored(store, 1)

    valkey.kill()
    valkey.start()
    fresh = connect(RedisSettings(url=valkey.url))  # the fixture's has a connection to the dead one
    await put(fresh, 0, 1)
    texts = await stored(store, 2)
    recording.cancel()
    await asyncio.gather(recording, return_exceptions=True)
    await fresh.aclose()

    assert texts == ["word0", "word1"]
    store.close()


async def test_an_entry_that_cannot_be_read_does_not_keep_the_others(
    redis: Redis, tmp_path: Path
) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 's.db'}")
    await redis.xadd(OUTBOX, {"c": "c1", "s": 1, "e": b"nonsense"})
    await put(redis, 1)

    recording = asyncio.ensure_future(Recorder(redis, store, [OUTBOX], "r1").run())
    texts = await stored(store, 1)
    recording.cancel()
    await asyncio.gather(recording, return_exceptions=True)

    assert texts == ["word1"]
    store.close()
