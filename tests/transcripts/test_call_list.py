"""Lists and searches of calls, on SQLite; with TRUNKLINE_TEST_STORE on any database (see conftest.py)."""

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.call_records import SECOND, ended, final, recorded, started

from transcripts.outbox import Recorded
from transcripts.search.listing import (
    Cursor,
    CursorError,
    Filters,
    Order,
    Status,
    excerpt,
    read_cursor,
    written_cursor,
)
from transcripts.search.search_terms import QueryError, marks, read_query
from transcripts.store import Store
from transcripts.transcript import Changes


def ids(store: Store, filters: Filters, limit: int = 50) -> list[str]:
    """The calls of all pages of a list."""
    found, cursor = [], None
    while True:
        page = store.page(filters, limit, cursor)
        found += [one.call.call_id for one in page.calls]
        if (cursor := page.next) is None:
            return found
        cursor = read_cursor(written_cursor(cursor))


def call(
    name: str, text: str = "hello there", at: float = 100.0, duration: int = 60
) -> list[Recorded]:
    said = final(text), final("how may I help you", channel=1, number=1)
    return recorded(name, started(at), *said, ended(duration=duration * SECOND))


@pytest.fixture
def three(store: Store) -> Store:
    """Three calls of a site, one of a tenant, and one that goes on."""
    store.record(
        [
            *call("c1", "the Acme invoice", 100, 30),
            *call("c2", "an invoice from Orvanta", 200, 90),
            *call("c3", "nothing of the kind", 300, 60),
            *call("acme/c9", "the secret invoice", 250, 60),
            *recorded("c4", started(400), final("an open invoice")),
        ]
    )
    return store


def test_the_newest_call_comes_first_and_other_orders_can_be_chosen(three: Store) -> None:
    assert ids(three, Filters()) == ["c4", "c3", "c2", "c1"]
    assert ids(three, Filters(order=Order.OLDEST)) == ["c1", "c2", "c3", "c4"]
    assert ids(three, Filters(order=Order.LONGEST)) == ["c2", "c3", "c1", "c4"]


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("query", [None, "invoice"])
def test_pages_of_any_size_hold_the_same_calls(
    three: Store, order: Order, query: str | None
) -> None:
    filters = Filters(order=order, query=read_query(query) if query else None)
    whole = ids(three, filters)

    assert [ids(three, filters, limit) for limit in (1, 2, 3)] == [whole] * 3
    assert len(set(whole)) == len(whole)


def test_calls_of_another_tenant_are_in_no_list(three: Store) -> None:
    assert ids(three, Filters(tenant="acme")) == ["acme/c9"]
    assert ids(three, Filters(query=read_query("secret"))) == []
    assert ids(three, Filters(tenant="acme", query=read_query("invoice"))) == ["acme/c9"]
    assert ids(three, Filters(tenant="globex", query=read_query("invoice"))) == []


def test_every_filter_leaves_the_calls_that_fulfil_it(three: Store) -> None:
    three.describe("c3", Changes(tags=("vip", "later"), agent="ann"))

    assert ids(three, Filters(since=200, before=400)) == ["c3", "c2"]
    assert ids(three, Filters(status=Status.LIVE)) == ["c4"]
    assert ids(three, Filters(status=Status.ENDED, min_duration=60 * SECOND)) == ["c3", "c2"]
    assert ids(three, Filters(keyword="ACME")) == ["c1"]
    assert ids(three, Filters(tag="vip")) == ids(three, Filters(agent="ann")) == ["c3"]
    assert ids(three, Filters(language="en", dialect="twilio")) == ["c4", "c3", "c2", "c1"]
    assert ids(three, Filters(language="de")) == ids(three, Filters(dialect="native")) == []
    assert ids(three, Filters(only="c2")) == ["c2"]
    assert ids(three, Filters(role="customer")) == ["c3", "c2", "c1"]
    assert ids(three, Filters(role="customer", query=read_query("invoice"))) == []
    assert ids(three, Filters(role="agent", query=read_query("invoice"))) == ["c4", "c2", "c1"]
    assert ids(three, Filters(query=read_query("invoice"), since=150)) == ["c4", "c2"]


def test_a_list_shows_a_call_of_several_streams_as_its_page_does(three: Store) -> None:
    """A bridge stops its stream for a card payment, and starts another one under the same id."""
    again = [
        replace(one, log="second") for one in recorded("c1", started(190), final("back again"))
    ]
    three.record(again)

    def listed() -> tuple[int, str]:
        (one,) = three.page(Filters(only="c1"), 9, None).calls
        return one.call.duration, one.call.ended_reason

    live = ids(three, Filters(status=Status.LIVE)), ids(three, Filters(status=Status.ENDED))
    with_words = ids(three, Filters(status=Status.LIVE, query=read_query("back")))
    assert listed()[1] == ""
    assert (live, with_words) == ((["c4", "c1"], ["c3", "c2"]), ["c1"])

    end = [replace(one, log="second") for one in recorded("c1", ended(duration=30 * SECOND))]
    three.record(end)
    whole = three.whole("c1")

    assert whole is not None
    assert listed() == (whole.call.duration, whole.call.ended_reason) == (120 * SECOND, "hangup")
    assert ids(three, Filters(order=Order.LONGEST)) == ["c1", "c2", "c3", "c4"]
    assert ids(three, Filters(min_duration=100 * SECOND)) == ["c1"]
    assert ids(three, Filters(min_duration=100 * SECOND, query=read_query("back"))) == ["c1"]
    assert ids(three, Filters(status=Status.LIVE)) == ["c4"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("INVOICE", ["c4", "c2", "c1"]),
        ("invoice acme", ["c1"]),
        ('"invoice from"', ["c2"]),
        ('"from invoice"', []),
        ("inv*", ["c4", "c2", "c1"]),
        ('"an inv"', []),
        ("orvanta OR AND (", []),
        ("help invoice", []),
        ("the", ["c3", "c1"]),
    ],
)
def test_a_query_finds_words_phrases_and_beginnings(
    three: Store, query: str, found: list[str]
) -> None:
    assert ids(three, Filters(query=read_query(query))) == found


def test_a_hit_names_its_segment_and_marks_the_words(three: Store) -> None:
    (found,) = three.page(Filters(query=read_query("orv* invoice")), 5).calls
    (hit,) = found.hits

    assert (hit.call_id, str(hit.segment), hit.role, hit.span.start) == ("c2", "0-0", "agent", 0)
    assert [hit.excerpt[a:b] for a, b in hit.marks] == ["invoice", "Orvanta"]


def test_rare_and_frequent_words_are_found_among_many(store: Store) -> None:
    """More segments than a search reads at a time, by key and by index."""
    rare = [final("rhododendron"), *(final(f"word{n}", number=n) for n in range(1, 1_300))]
    store.record(recorded("old", started(1.0), *rare))
    frequent = [final("hello again", number=n) for n in range(500)]
    for name, at in (("new", 3.0), ("middle", 2.0)):
        store.record(recorded(name, started(at), *frequent))

    for order in (Order.NEWEST, Order.OLDEST):
        for words, count in (("rhododendron", 1), ("hello", 2), ("word7", 1), ("nobody", 0)):
            found = store.page(Filters(query=read_query(words), order=order)).calls
            assert len(found) == count, (words, order)
    assert ids(store, Filters(query=read_query("hello"))) == ["middle", "new"]


def test_a_keyword_of_many_calls_is_found_in_the_newest(store: Store) -> None:
    many = [f"c{number:04}" for number in range(1_010)]
    store.record([one for name in many for one in recorded(name, started(), final("Acme"))])

    assert ids(store, Filters(keyword="acme", order=Order.OLDEST))[:3] == many[:3]
    assert ids(store, Filters(keyword="acme", dialect="twilio"))[:3] == many[:-4:-1]
    assert ids(store, Filters(keyword="globex")) == []


def test_a_later_stream_of_a_call_is_found_as_the_call(store: Store) -> None:
    second = [replace(one, log="b2") for one in call("c1", "after the hold", 200)]
    store.record([*[replace(one, log="a1") for one in call("c1", "before", 100)], *second])

    assert ids(store, Filters()) == ["c1"]
    (found,) = store.page(Filters(query=read_query("hold")), 5).calls
    assert (found.call.call_id, found.hits[0].call_id) == ("c1", "c1~2")


def test_a_segment_that_came_before_the_start_of_its_call_has_its_role(store: Store) -> None:
    store.record(recorded("c1", final("too early")))
    store.record(recorded("c1", started()))

    assert ids(store, Filters(role="agent", query=read_query("early"))) == ["c1"]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(max_size=60), others=st.text(max_size=20))
def test_every_word_that_was_said_can_be_found_whatever_its_script(
    store: Store, text: str, others: str
) -> None:
    store.delete("c1")
    store.record(recorded("c1", started(), final(text.replace("\x00", "") or "x")))

    for query in (text.replace("\x00", ""), others):
        try:
            asked = read_query(query.replace("*", " ").replace('"', " "))
        except QueryError:
            continue
        found = ids(store, Filters(query=asked))
        assert found == ["c1"] or query == others


@pytest.mark.parametrize(
    ("said", "query", "marked"),
    [
        ("Naïve Café", "naive cafe", ["Naïve", "Café"]),
        ("STRASSE", "straße", ["STRASSE"]),
        ("नमस्ते दुनिया", "दुनिया", ["दुनिया"]),
        ("東京タワーです", "東京", ["東", "京"]),
        ("don't say that", "don't", ["don", "t"]),
    ],
)
def test_marks_stand_where_the_words_are(said: str, query: str, marked: list[str]) -> None:
    if query == "東京":
        query = '"東京"'

    assert [said[a:b] for a, b in marks(said, read_query(query))] == marked


def test_an_excerpt_is_cut_around_its_first_mark() -> None:
    text = "x" * 100 + " invoice " + "y" * 200

    shown, marked = excerpt(text, marks(text, read_query("invoice")))

    assert len(shown) < 170
    assert [shown[a:b] for a, b in marked] == ["invoice"]


@pytest.mark.parametrize("query", ["", "  ", "-", "a*", '""', "w " * 40, "x" * 501])
def test_a_query_without_words_or_with_too_many_is_refused(query: str) -> None:
    with pytest.raises(QueryError):
        read_query(query)


@given(value=st.integers(-(2**60), 2**60).map(float), number=st.integers(0, 2**37))
def test_a_cursor_comes_back_as_it_was(value: float, number: int) -> None:
    assert read_cursor(written_cursor(Cursor(value, number))) == Cursor(value, number)


@given(text=st.text(max_size=40))
def test_any_other_text_is_no_cursor(text: str) -> None:
    with contextlib.suppress(CursorError):
        read_cursor(text)


def test_a_deleted_call_leaves_no_word_in_the_index_after_many_others(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    for number in range(30):
        text = "rhododendron" if number == 11 else f"some other words {number}"
        store.record(recorded(f"c{number}", started(), final(text)))

    store.delete("c11")

    assert [one.name for one in tmp_path.iterdir() if b"rhododendron" in one.read_bytes()] == []
    assert len(ids(store, Filters(query=read_query("words")))) == 29
    store.close()
