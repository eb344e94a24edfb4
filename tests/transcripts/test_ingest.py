"""A bad entry does not affect the others, and nothing is discarded."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.call_records import CALL, HUGE, final
from support.examples import examples

from protocol.events import LoggedEvent
from protocol.events.event_codec import encode_event
from transcripts.ingest import take_in, try_again
from transcripts.outbox import Arrival, Quarantined
from transcripts.store import Store


def came(number: int, event: LoggedEvent | bytes, call_id: str = "c1") -> Arrival:
    payload = event if isinstance(event, bytes) else encode_event(event)
    return Arrival("outbox", f"{number}-0", call_id, number + 1, payload)


def good(number: int) -> Arrival:
    return came(number, final(f"word{number}", number=number))


def texts(store: Store, call_id: str = "c1") -> list[str]:
    found = store.transcript(call_id)
    return [one.text for one in found.segments] if found else []


def test_good_entries_are_stored_and_none_is_set_aside(store: Store) -> None:
    aside = take_in(store, [good(0), good(1)])

    assert (aside, texts(store)) == ([], ["word0", "word1"])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (came(9, b"nonsense"), "another version"),
        (came(9, final("hi"), call_id=""), "not written by Trunkline"),
        (came(9, final("hi", number=9, start=HUGE)), "too large|refused the event"),
        (came(9, final("hi", number=0, start=800)), "call id was used twice"),
    ],
)
def test_a_bad_entry_is_set_aside_with_its_reason_and_the_others_are_stored(
    store: Store, bad: Arrival, reason: str
) -> None:
    aside = take_in(store, [good(0), bad, good(1), good(2)])

    assert [one.arrival for one in aside] == [bad]
    assert re.search(reason, aside[0].reason)
    assert store.quarantined() == aside
    assert texts(store) == ["word0", "word1", "word2"]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.booleans(), max_size=12))
def test_of_any_mixture_all_good_ones_are_stored_and_all_bad_ones_set_aside(
    store: Store, mixture: list[bool]
) -> None:
    store.delete("c1")
    batch = [
        good(n) if is_good else came(n, final("bad", number=n, start=HUGE))
        for n, is_good in enumerate(mixture)
    ]

    aside = take_in(store, batch)

    assert texts(store) == [f"word{n}" for n, is_good in enumerate(mixture) if is_good]
    assert [int(one.arrival.entry_id[:-2]) for one in aside] == [
        n for n, is_good in enumerate(mixture) if not is_good
    ]


@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(event=st.sampled_from(CALL), place=st.floats(0, 1), instead=st.binary(max_size=3))
def test_a_damaged_event_is_stored_or_quarantined_and_other_calls_go_on(
    store: Store, event: LoggedEvent, place: float, instead: bytes
) -> None:
    whole = encode_event(event)
    cut = int(place * (len(whole) - 1))
    damaged = whole[:cut] + instead + whole[cut + 1 :]
    store.delete("c1")

    aside = take_in(store, [came(7, damaged, call_id="damaged"), good(5)])

    assert texts(store) == ["word5"]
    assert aside in ([], store.quarantined())
    store.delete("damaged")


def test_an_entry_that_comes_twice_is_set_aside_once(store: Store) -> None:
    take_in(store, [came(9, b"nonsense")])
    take_in(store, [came(9, b"nonsense")])

    assert len(store.quarantined()) == 1


def test_what_a_newer_program_can_read_gets_into_the_transcript(store: Store) -> None:
    """Set aside by a program that did not know this kind of event yet."""
    take_in(store, [good(0)])
    store.set_aside([Quarantined(good(1), "of another version")])
    store.set_aside([Quarantined(came(2, b"of a still later one"), "of another version")])

    released = try_again(store)

    assert released == 1
    assert texts(store) == ["word0", "word1"]
    assert [one.arrival.entry_id for one in store.quarantined()] == ["2-0"]
