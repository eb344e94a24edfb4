"""Two recorders, a failing database, and the log events for it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import redis as sync_redis
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from sqlalchemy import create_engine, text
from structlog.testing import capture_logs
from support.answers import entries_of
from support.call_records import HUGE, fields, final
from support.valkey import ValkeyServer
from support.waiting import PATIENCE, until, until_in_thread

from broker.redis_keys import RECORDER, Partition
from transcripts.outbox import Recorded
from transcripts.recorder import Recorder, pause
from transcripts.settings import RecorderSettings
from transcripts.store import Store, StoreUnavailableError

OUTBOX = Partition(0).outbox
BRISK = RecorderSettings(block_ms=20)


async def put(redis: Redis, *numbers: int, call_id: str = "c1", outbox: str = OUTBOX) -> None:
    for number in numbers:
        await redis.xadd(outbox, fields(call_id, number + 1, final(f"word{number}", number=number)))


async def empty(redis: Redis, outbox: str = OUTBOX) -> None:
    async def is_empty() -> bool:
        return not await redis.xlen(outbox)

    await until(is_empty)


def texts(store: Store, call_id: str = "c1") -> list[str]:
    found = store.transcript(call_id)
    return [one.text for one in found.segments] if found else []


@asynccontextmanager
async def recording(
    redis: Redis,
    store: Store,
    *outboxes: str,
    consumer: str = "r1",
    settings: RecorderSettings = BRISK,
) -> AsyncIterator["asyncio.Task[None]"]:
    """A running recorder; stopped at the end."""
    recorder = Recorder(redis, store, outboxes or (OUTBOX,), consumer, settings)
    task = asyncio.ensure_future(recorder.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()


class SlowStore(Store):
    """Holds every batch until it is released."""

    begun = threading.Event()
    go_on = threading.Event()

    def record(self, batch: Sequence[Recorded]) -> None:
        self.begun.set()
        self.go_on.wait(PATIENCE)
        super().record(batch)


class StoreInTrouble(Store):
    """Stores at the fourth attempt."""

    attempts = 0

    def record(self, batch: Sequence[Recorded]) -> None:
        self.attempts += 1
        if self.attempts < 4:
            raise StoreUnavailableError("the database failed (SQLITE_FULL)")
        super().record(batch)


async def test_every_outbox_is_followed(redis: Redis, store: Store) -> None:
    boxes = [Partition(number).outbox for number in range(3)]

    async with recording(redis, store, *boxes):
        for number, box in enumerate(boxes):
            await put(redis, 0, 1, call_id=f"c{number}", outbox=box)
            await empty(redis, box)

    assert [texts(store, f"c{number}") for number in range(3)] == [["word0", "word1"]] * 3


async def test_more_than_a_batch_is_stored_in_several(redis: Redis, store: Store) -> None:
    await put(redis, *range(25))

    async with recording(redis, store, settings=RecorderSettings(block_ms=20, batch=4)):
        await empty(redis)

    assert texts(store) == [f"word{number}" for number in range(25)]


async def test_unfinished_entries_come_before_new_ones(redis: Redis, store: Store) -> None:
    """More than a batch of it: the batch may have been larger in its former life."""
    await put(redis, *range(10))
    await redis.xgroup_create(OUTBOX, RECORDER, id="0")
    await redis.xreadgroup(RECORDER, "r1", {OUTBOX: ">"})

    async with recording(redis, store, settings=RecorderSettings(block_ms=20, batch=3)):
        await empty(redis)

    assert len(texts(store)) == 10


async def test_entries_a_dead_recorder_had_claimed_are_taken_over(
    redis: Redis, store: Store
) -> None:
    await put(redis, 0, 1)
    await redis.xgroup_create(OUTBOX, RECORDER, id="0")
    await redis.xreadgroup(RECORDER, "dead", {OUTBOX: ">"})
    ids: list[Any] = [entry_id for entry_id, _ in await entries_of(redis, OUTBOX)]
    await redis.xclaim(OUTBOX, RECORDER, "dead", 0, ids, idle=31_000)

    async with recording(redis, store):
        await empty(redis)

    assert texts(store) == ["word0", "word1"]


async def test_entries_claimed_by_a_running_recorder_are_not_taken_over(
    redis: Redis, store: Store
) -> None:
    await put(redis, 0)
    await redis.xgroup_create(OUTBOX, RECORDER, id="0")
    await redis.xreadgroup(RECORDER, "alive", {OUTBOX: ">"})

    async with recording(redis, store):
        await put(redis, 1)
        await until_in_thread(lambda: bool(texts(store)))

    assert texts(store) == ["word1"]
    assert (await redis.xpending(OUTBOX, RECORDER))["pending"] == 1


async def test_an_entry_deleted_after_its_delivery_is_let_go(redis: Redis, store: Store) -> None:
    await put(redis, 0, 1)
    await redis.xgroup_create(OUTBOX, RECORDER, id="0")
    await redis.xreadgroup(RECORDER, "r1", {OUTBOX: ">"})
    (held, _), *_ = await entries_of(redis, OUTBOX)
    await redis.xdel(OUTBOX, held)

    async with recording(redis, store):
        await empty(redis)

    assert texts(store) == ["word1"]
    assert store.quarantined() == []
    assert (await redis.xpending(OUTBOX, RECORDER))["pending"] == 0


async def test_a_group_that_is_gone_is_made_again(redis: Redis, store: Store) -> None:
    async with recording(redis, store):
        await put(redis, 0)
        await empty(redis)
        await redis.xgroup_destroy(OUTBOX, RECORDER)
        await put(redis, 1)
        await empty(redis)

    assert texts(store) == ["word0", "word1"]


async def test_the_current_batch_is_finished_before_it_stops(
    valkey: ValkeyServer, redis: Redis, store_url: str
) -> None:
    store = SlowStore.open(store_url)
    witness = sync_redis.from_url(valkey.url)  # asks without giving anything else a turn
    await put(redis, 0)

    async with recording(redis, store) as task:
        await asyncio.to_thread(store.begun.wait, PATIENCE)
        task.cancel()
        store.go_on.set()
        await asyncio.wait([task])
        left = witness.xlen(OUTBOX)

    assert left == 0
    assert texts(store) == ["word0"]
    witness.close()
    store.close()


async def test_a_stop_is_obeyed_while_redis_is_away(
    valkey: ValkeyServer, redis: Redis, store: Store
) -> None:
    valkey.kill()

    with capture_logs() as logs:
        async with recording(redis, store) as task:
            await until_in_thread(lambda: bool(logs))
            task.cancel()
            await asyncio.wait([task])

    assert task.cancelled()
    assert logs[0]["event"] == "redis_unavailable"


async def test_a_database_in_trouble_costs_nothing_but_time(redis: Redis, store_url: str) -> None:
    store = StoreInTrouble.open(store_url)
    await put(redis, 0, 1)

    with capture_logs() as logs:
        async with recording(redis, store):
            await empty(redis)

    assert texts(store) == ["word0", "word1"]
    assert [line["event"] for line in logs] == ["store_unavailable"] * 3
    assert "SQLITE_FULL" in logs[0]["remedy"]
    store.close()


async def test_what_cannot_be_stored_is_said_without_a_word_of_it(
    redis: Redis, store: Store
) -> None:
    await put(redis, 0)
    await redis.xadd(OUTBOX, {"c": "c1", "s": "2", "e": b"secret rhododendron"})
    await redis.xadd(OUTBOX, {"nothing": "rhododendron"})
    await redis.xadd(OUTBOX, fields("c1", 3, final("rhododendron", number=3, start=HUGE)))

    with capture_logs() as logs:
        async with recording(redis, store):
            await empty(redis)

    assert texts(store) == ["word0"]
    assert [(line["event"], line["call_id"]) for line in logs] == [
        ("entry_quarantined", "c1"),
        ("entry_quarantined", ""),
        ("entry_quarantined", "c1"),
    ]
    assert "rhododendron" not in str(logs)
    assert len(store.quarantined()) == 3


async def test_an_updated_recorder_begins_with_the_quarantine(redis: Redis, store: Store) -> None:
    await redis.xadd(OUTBOX, {"c": "c1", "s": "1", "e": b"of a later version"})
    async with recording(redis, store):
        await empty(redis)
    _write_as_the_update_would(store)

    with capture_logs() as logs:
        async with recording(redis, store):
            await until_in_thread(lambda: bool(logs))

    assert texts(store) == ["readable by now"]
    assert store.quarantined() == []
    assert [line["event"] for line in logs] == ["quarantine_released"]


def _write_as_the_update_would(store: Store) -> None:
    """Put an event into the quarantine that this program can read."""
    payload = fields("c1", 1, final("readable by now"))["e"]
    with create_engine(store._engine.url).begin() as connection:
        connection.execute(text("UPDATE quarantine SET payload = :payload"), {"payload": payload})


@given(failures=st.integers(1, 10_000), chance=st.floats(0, 1, exclude_max=True))
def test_pauses_grow_at_most_to_their_limit(failures: int, chance: float) -> None:
    waited = pause(failures, chance)

    assert 0 <= waited < 8
    assert waited <= pause(failures + 1, chance)


def test_recorders_that_lost_the_same_server_come_back_at_different_times() -> None:
    assert (pause(1, 0.5), pause(3, 0.5), pause(3, 0.75)) == (0.125, 0.5, 0.75)
