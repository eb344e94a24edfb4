"""Words that were deleted or redacted leave the files of SQLite, whatever happens in between."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.call_records import fields, final, recorded, started

from broker.redis_keys import Partition
from protocol.events import SegmentRevised
from transcripts.database import search_index
from transcripts.recorder import Recorder
from transcripts.settings import RecorderSettings
from transcripts.store import Store

Until = Callable[[Callable[[], bool]], Awaitable[None]]

OUTBOX = Partition(0).outbox


def has(folder: Path, word: str) -> bool:
    return any(word.encode() in one.read_bytes() for one in folder.glob("store.db*"))


def many_calls(store: Store) -> None:
    """Several parts of the index, so that a merge has work."""
    for number in range(30):
        store.record(recorded(f"c{number}", started(), final(f"some other words {number}")))
    store.record(recorded("secret", started(), final("four rhododendron two")))


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    many_calls(store)
    yield store
    store.close()


def text_of(store: Store) -> str:
    transcript = store.transcript("secret")
    assert transcript is not None
    return transcript.segments[0].text


REVISED = recorded("secret", SegmentRevised(final("[redacted]")))


def test_a_revision_is_stored_without_a_merge_of_the_index(filled: Store, tmp_path: Path) -> None:
    filled.record(REVISED)

    assert has(tmp_path, "rhododendron") or search_index.IS_DELETED_AT_ONCE
    assert text_of(filled) == "[redacted]"


async def test_the_recorder_erases_what_a_revision_took_out(
    redis: Redis, filled: Store, tmp_path: Path, until: Until
) -> None:
    settings = RecorderSettings(block_ms=20, erase_seconds=0.05)
    recording = asyncio.ensure_future(Recorder(redis, filled, [OUTBOX], "r1", settings).run())
    await redis.xadd(OUTBOX, fields("secret", 1, SegmentRevised(final("[redacted]"))))

    await until(lambda: not has(tmp_path, "rhododendron"))
    recording.cancel()
    await asyncio.gather(recording, return_exceptions=True)

    assert text_of(filled) == "[redacted]"


async def test_a_recorder_erases_what_another_left_when_it_died(
    redis: Redis, filled: Store, tmp_path: Path, until: Until
) -> None:
    filled.record(REVISED)  # and then it died

    settings = RecorderSettings(block_ms=20)
    recording = asyncio.ensure_future(Recorder(redis, filled, [OUTBOX], "r2", settings).run())
    await until(lambda: not has(tmp_path, "rhododendron"))
    recording.cancel()
    await asyncio.gather(recording, return_exceptions=True)


def test_what_is_deleted_during_an_erasure_is_erased_too(filled: Store, tmp_path: Path) -> None:
    filled.record(recorded("later", started(), final("gladiolus")))
    filled.record(REVISED)

    steps = filled.erasing()
    next(steps)
    other = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    other.record(recorded("later", SegmentRevised(final("[redacted]"))))
    other.close()
    for _ in steps:
        pass

    assert not has(tmp_path, "rhododendron")
    assert not has(tmp_path, "gladiolus")
    assert list(filled.erasing()) == []


def test_an_erasure_that_a_reader_holds_up_is_ended_by_the_next(
    filled: Store, tmp_path: Path
) -> None:
    filled.record(REVISED)
    reader = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM calls").fetchall()
    filled.erase_traces()
    before = has(tmp_path, "rhododendron")
    reader.close()

    filled.erase_traces()

    assert before
    assert not has(tmp_path, "rhododendron")
