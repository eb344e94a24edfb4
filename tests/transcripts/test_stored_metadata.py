"""What a bridge says about a call is stored, found, exported and deleted; on SQLite and PostgreSQL."""

import json
from dataclasses import replace

import pytest
from support.call_records import CALL, ended, final, recorded, started

from protocol.events import CallStarted, CardAdded
from transcripts.formats.export import export
from transcripts.search.listing import Filters
from transcripts.search.search_terms import read_query
from transcripts.store import Store
from transcripts.transcript import Changes

SAID = (("queue", "sales"), ("from", "+15550100"), ("agent", "Priya"))


def begun(*pairs: tuple[str, str], at: float = 100.0) -> CallStarted:
    return replace(started(at), metadata=pairs, sample_rate=16_000, encoding="l16")


def ids(store: Store, name: str, value: str, q: str = "") -> list[str]:
    query = read_query(q) if q else None
    return [
        one.call.call_id for one in store.page(Filters(metadata=(name, value), query=query)).calls
    ]


def test_what_the_bridge_said_comes_back_in_its_order(store: Store) -> None:
    store.record(recorded("c1", begun(*SAID), final("hello")))

    found = store.transcript("c1")
    events = store.events("c1")
    (listed,) = store.page(Filters()).calls

    assert found is not None
    assert found.call.metadata == listed.call.metadata == SAID
    assert (found.call.agent, found.call.sample_rate, found.call.encoding) == (
        "Priya",
        16_000,
        "l16",
    )
    assert events is not None
    assert events[0].event == begun(*SAID)


def test_calls_are_found_by_what_the_bridge_said(store: Store) -> None:
    store.record(recorded("c1", begun(*SAID), final("an invoice"), ended()))
    store.record(recorded("c2", begun(("queue", "support"), at=200), final("an invoice"), ended()))
    store.record(recorded("acme/c3", begun(*SAID), final("an invoice"), ended()))

    assert ids(store, "queue", "sales") == ids(store, "queue", "sales", "invoice") == ["c1"]
    assert ids(store, "queue", "support", "invoice") == ["c2"]
    assert ids(store, "queue", "sal") == ids(store, "support", "queue") == []


def test_a_repeated_start_changes_nothing(store: Store) -> None:
    store.record(recorded("c1", begun(*SAID)))
    once = store.transcript("c1")
    store.record(recorded("c1", begun(*SAID)))

    assert store.transcript("c1") == once


def test_the_streams_of_a_call_add_to_each_other(store: Store) -> None:
    first = [
        replace(one, log="a1") for one in recorded("c1", begun(("a", "1"), ("b", "2")), ended())
    ]
    second = [
        replace(one, log="b2") for one in recorded("c1", begun(("b", "3"), ("c", "4"), at=500))
    ]
    store.record([*first, *second])

    whole = store.whole("c1")

    assert whole is not None
    assert dict(whole.call.metadata) == {"a": "1", "b": "2", "c": "4"}


def test_a_text_that_a_database_cannot_hold_loses_the_rest_of_the_call_nothing(
    store: Store,
) -> None:
    pairs = [(f"n{number}", "v") for number in range(40)]
    hostile = begun(
        ("nul\x00", "a\x00b"), ("long" * 200, "x" * 2_000), ("agent", "\x00ann"), *pairs
    )
    store.record(recorded("c1", hostile, *CALL[1:]))

    found = store.transcript("c1")

    assert found is not None
    assert found.call.metadata[0] == ("nul", "ab")
    assert (len(found.call.metadata), found.call.agent) == (32, "ann")
    assert len(found.segments) == 5


def test_a_note_with_a_nul_is_kept_without_it(store: Store) -> None:
    store.record(recorded("c1", *CALL))

    assert store.describe("c1", Changes("a\x00nn", "call\x00 back", ("v\x00ip",)))
    assert store.add_card("c1", CardAdded("k1", "a\x00b", 0, "\x00", "https://x.example/\x00"))

    whole = store.transcript("c1")
    assert whole is not None
    assert (whole.call.agent, whole.call.notes, whole.call.tags) == ("ann", "call back", ("vip",))


@pytest.mark.parametrize("form", ["json", "md"])
def test_exports_with_a_head_name_it(store: Store, form: str) -> None:
    store.record(recorded("c1", begun(("queue", "<b>sales")), *CALL[1:]))
    whole = store.whole("c1")
    assert whole is not None

    written = export(whole, form)

    if form == "json":
        assert json.loads(written)["metadata"] == {"queue": "<b>sales"}
    else:
        assert r"- queue: \<b\>sales" in written


def test_it_goes_with_its_call(store: Store) -> None:
    store.record(recorded("c1", begun(("queue", "rhododendron")), *CALL[1:]))
    store.record(recorded("c2", begun(("queue", "gladiolus"))))

    store.delete("c1")

    assert ids(store, "queue", "rhododendron") == []
    assert ids(store, "queue", "gladiolus") == ["c2"]
