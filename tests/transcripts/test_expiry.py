"""Calls are deleted when they are older than they may be, and not before."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from redis.asyncio import Redis
from support.call_records import ended, final, recorded, started

from broker.redis_keys import Partition
from transcripts.database.opening import open_database
from transcripts.outbox import Arrival, Quarantined
from transcripts.recorder import Recorder
from transcripts.retention import DAY_SECONDS, Retention, RetentionError, read_tags
from transcripts.settings import RecorderSettings
from transcripts.store import LegalHoldError, Store
from transcripts.transcript import Changes

NOW = 1_800_000_000.0


def put(store: Store, name: str, age: float, *tags: str, live: bool = False) -> None:
    events = (started(NOW - age * DAY_SECONDS), final("rhododendron"))
    store.record(recorded(name, *events, *(() if live else (ended(),))))
    store.describe(name, Changes(tags=tags))


@pytest.fixture
def dated(store_url: str) -> Iterator[Store]:
    store = Store(open_database(store_url), now=lambda: NOW)
    yield store
    store.close()


def left(store: Store) -> set[str]:
    return {one.call_id for one in store.calls()}


def test_a_call_is_kept_to_its_age_and_its_longest_tag(dated: Store) -> None:
    put(dated, "young", 9)
    put(dated, "old", 11)
    put(dated, "kept", 100, "vip", "test")
    put(dated, "too-old", 400, "vip")
    put(dated, "short", 2, "test")
    put(dated, "acme/old", 11, "other")
    put(dated, "live", 10.5, live=True)
    put(dated, "lost", 11.5, live=True)

    gone = dated.expire(Retention(10, {"vip": 365, "test": 1}))

    assert gone == 5
    assert left(dated) == {"young", "kept", "live"}
    lines = [one.line for one in dated.audited()]
    assert {one.who for one in lines} == {"retention"}
    assert {(one.tenant, one.call_id) for one in lines} >= {("acme", "acme/old"), ("", "short")}


def test_without_an_age_only_tagged_calls_expire(dated: Store) -> None:
    put(dated, "old", 1_000)
    put(dated, "short", 2, "test")

    dated.expire(Retention(None, {"test": 1}))

    assert left(dated) == {"old"}


def test_a_call_under_legal_hold_outlives_its_age(dated: Store) -> None:
    put(dated, "held", 1_000)
    dated.describe("held", Changes(legal_hold=True))

    assert dated.expire(Retention(1)) == 0
    with pytest.raises(LegalHoldError):
        dated.delete("held")
    assert left(dated) == {"held"}


def test_old_quarantined_entries_expire_too(dated: Store) -> None:
    for days in (1, 30):
        written = int(1_000 * (NOW - days * DAY_SECONDS))
        arrival = Arrival("outbox", f"{written}-0", "c1", 1, b"payload")
        dated.set_aside([Quarantined(arrival, "unreadable")])

    dated.expire(Retention(10))

    assert len(dated.quarantined()) == 1


async def test_the_recorder_deletes_what_expired_while_it_was_down(
    redis: Redis, tmp_path: Path, until: Callable[[Callable[[], bool]], Awaitable[None]]
) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    store.record(recorded("old", started(), final("rhododendron"), ended()))
    store.record(recorded("held", started(), final("stays"), ended()))
    store.describe("held", Changes(legal_hold=True))
    settings = RecorderSettings(block_ms=20, retention_days=1)

    recording = asyncio.ensure_future(
        Recorder(redis, store, [Partition(0).outbox], "r1", settings).run()
    )
    await until(
        lambda: not any(b"rhododendron" in one.read_bytes() for one in tmp_path.glob("store.db*"))
    )
    recording.cancel()
    await asyncio.gather(recording, return_exceptions=True)

    assert left(store) == {"held"}
    store.close()


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("", {}),
        ("vip=365", {"vip": 365.0}),
        (" a = b=1 , x=0.5,", {"a = b": 1.0, "x": 0.5}),
    ],
)
def test_tags_are_read(text: str, rules: dict[str, float]) -> None:
    assert read_tags(text) == rules


@pytest.mark.parametrize("text", ["vip", "=1", "vip=", "vip=soon", "vip=0", "vip=-1", "vip=inf"])
def test_other_rules_are_refused(text: str) -> None:
    with pytest.raises(RetentionError):
        read_tags(text)
    with pytest.raises(ValidationError):
        RecorderSettings(retention_tags=text)
