"""Guarantees of the store, on SQLite; with TRUNKLINE_TEST_STORE on any database (see conftest.py)."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, event, text
from support.call_records import CALL, HUGE, ended, final, recorded, started
from support.examples import examples

from protocol.events import (
    DtmfPressed,
    Fault,
    KeywordsApplied,
    LineWarning,
    SegmentFailed,
    SegmentId,
    Span,
    Timing,
    Word,
)
from transcripts.outbox import Arrival, Quarantined, Recorded
from transcripts.store import RefusedError, Store, StoreUnavailableError
from transcripts.transcript import Ending


def aside(entry_id: str = "1-0", call_id: str = "c1") -> Quarantined:
    return Quarantined(
        Arrival("outbox", entry_id, call_id, 7, b"\x00\xff payload"), "of another version"
    )


def told(error: BaseException) -> str:
    """The text of an error and of its causes."""
    behind = error.__cause__ or error.__context__
    return f"{error!r} {error}" + (told(behind) if behind else "")


def test_what_was_recorded_can_be_read(store: Store) -> None:
    store.record(recorded("c1", *CALL))

    found = store.transcript("c1")

    assert found is not None
    assert found.call.roles == ("agent", "customer")
    assert (found.call.language, found.call.dialect) == ("en", "twilio")
    assert (found.call.started_at, found.call.tenant) == (1_700_000_000.0, "")
    assert (found.call.ended_reason, found.call.duration) == ("hangup", 480_000)
    assert found.call.channels == ended().channels
    assert [(str(one.segment), one.ending, one.text or one.reason) for one in found.segments] == [
        ("0-0", Ending.FINAL, "thank you for calling Acme"),
        ("1-0", Ending.FINAL, "hello"),
        ("1-1", Ending.FAILED, "the engine gave up"),
        ("0-1", Ending.DROPPED, "overload"),
        ("0-2", Ending.FINAL, "goodbye"),
    ]
    assert found.gaps == (CALL[4],)
    assert found.keyword_lists == (CALL[1], CALL[7])


def test_a_final_comes_back_with_all_that_was_known_of_it(store: Store) -> None:
    store.record(recorded("c1", final("Acme speaking", number=3)))

    found = store.transcript("c1")

    assert found is not None
    (segment,) = found.segments
    assert segment.span == Span(48_000, 56_000)
    assert segment.words == (Word("Acme", 48_000, 48_800, 0.5), Word("speaking"))
    assert (segment.language, segment.engine) == ("en", "moonshine-base-en/int8")
    assert (segment.keywords_revision, segment.keywords_found) == (1, ("Acme",))
    assert (segment.flags, segment.timing) == (("loop_cut",), Timing(12, 340))


def test_the_same_batch_twice_changes_nothing(store: Store) -> None:
    store.record(recorded("c1", *CALL))
    once = store.transcript("c1")

    store.record(recorded("c1", *CALL))

    assert store.transcript("c1") == once


@settings(
    max_examples=examples(20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    order=st.permutations(recorded("c1", *CALL) + recorded("c1", *CALL)),
    cuts=st.lists(st.integers(0, 2 * len(CALL)), max_size=5).map(sorted),
)
def test_order_repetition_and_batches_make_no_difference(
    store: Store, order: list[Recorded], cuts: list[int]
) -> None:
    store.delete("c1")
    store.record(recorded("in order", *CALL))
    wanted = store.transcript("in order")

    for begin, end in pairwise([0, *cuts, len(order)]):
        store.record(order[begin:end])

    found = store.transcript("c1")
    assert found is not None
    assert wanted is not None
    assert (found.segments, found.gaps, found.keyword_lists) == (
        wanted.segments,
        wanted.gaps,
        wanted.keyword_lists,
    )
    assert found.call.duration == wanted.call.duration


def test_a_repeated_segment_keeps_its_first_words(store: Store) -> None:
    """After a loss a segment may be transcribed twice; a transcript that was read does not change."""
    store.record(recorded("c1", final("my policy number")))

    store.record(recorded("c1", final("by policy number")))
    store.record(recorded("c1", SegmentFailed(SegmentId(0, 0), Span(0, 8_000), "lost")))

    found = store.transcript("c1")
    assert found is not None
    assert [one.text for one in found.segments] == ["my policy number"]
    assert [word.text for word in found.segments[0].words] == ["my", "policy", "number"]


def test_other_speech_under_the_same_number_is_refused(store: Store) -> None:
    store.record(recorded("c1", final("first call")))

    with pytest.raises(RefusedError, match="call id was used twice"):
        store.record(recorded("c1", final("second call", start=800)))

    found = store.transcript("c1")
    assert found is not None
    assert [one.text for one in found.segments] == ["first call"]


def test_a_call_that_begins_or_ends_again_keeps_its_first_account(store: Store) -> None:
    store.record(recorded("c1", started(at=100.0), ended("hangup", 8_000)))

    store.record(recorded("c1", started(at=200.0), ended("lost", 9_000)))

    (call,) = store.calls()
    assert (call.started_at, call.ended_reason, call.duration) == (100.0, "hangup", 8_000)


def test_a_batch_is_stored_whole_or_not_at_all(store: Store) -> None:
    batch = recorded("c1", final("good"), final("bad", number=1, start=HUGE))

    with pytest.raises(RefusedError):
        store.record(batch)

    assert store.transcript("c1") is None


def test_a_refusal_quotes_nothing_of_what_was_said(store: Store) -> None:
    with pytest.raises(RefusedError) as refused:
        store.record(recorded("c1", final("4111-1111", start=HUGE)))

    assert "4111" not in told(refused.value)


def test_telephone_keys_are_kept_nowhere(store: Store) -> None:
    store.record(recorded("c1", *(DtmfPressed(0, digit, 800) for digit in "4111")))

    assert store.transcript("c1") is None


def test_what_was_wrong_with_a_line_is_kept_once_and_in_order(store: Store) -> None:
    quiet = LineWarning(1, Fault.TOO_QUIET, "turn it up", -48.5, "dBFS", 40_000)
    swapped = LineWarning(0, Fault.WRONG_BYTE_ORDER, "swap them", 5.5, "bits", 8_000)

    store.record(recorded("c1", quiet, swapped, quiet))

    transcript = store.transcript("c1")
    assert transcript is not None
    assert transcript.line_warnings == (swapped, quiet)
    store.delete("c1")
    assert store.transcript("c1") is None


def test_an_unknown_call_has_no_transcript(store: Store) -> None:
    assert store.transcript("nobody") is None


def test_the_newest_call_comes_first_and_no_more_than_were_asked_for(store: Store) -> None:
    for number in (2, 0, 3, 1):
        store.record(recorded(f"c{number}", started(at=100.0 * number)))

    assert [call.call_id for call in store.calls(limit=3)] == ["c3", "c2", "c1"]


def test_recorders_that_store_the_same_do_not_disturb_each_other(store_url: str) -> None:
    """An entry claimed from a slow recorder is stored by both."""
    first, second = Store.open(store_url), Store.open(store_url)
    batches = [recorded(f"c{number}", *CALL) for number in range(10)]

    def record_all(store: Store) -> None:
        for batch in batches:
            store.record(batch)

    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(record_all, store) for store in (first, second)]
        for one in both:
            one.result()

    assert [len(found.segments) for n in range(10) if (found := first.transcript(f"c{n}"))] == [
        5
    ] * 10
    first.close()
    second.close()


def test_a_recorder_that_comes_second_between_question_and_answer_loses_nothing(
    store: Store, store_url: str
) -> None:
    batch = recorded("c1", *CALL)
    faster, waiting = Store.open(store_url), [batch]

    def overtake(*statement: object) -> None:
        if waiting and "INSERT INTO calls" in str(statement[2]):
            faster.record(waiting.pop())

    event.listen(store._engine, "before_cursor_execute", overtake)
    store.record(batch)

    assert store.transcript("c1") == faster.transcript("c1")
    assert not waiting
    faster.close()


def test_a_database_failure_is_distinguished_from_a_bad_event(store: Store, store_url: str) -> None:
    """A table out of reach stands for any day on which the database does not do its work."""
    batch = recorded("c1", final("hello"))
    operator = create_engine(store_url)
    with operator.begin() as connection:
        connection.execute(text("ALTER TABLE segments RENAME TO elsewhere"))

    trouble = RefusedError if store_url.startswith("postgresql") else StoreUnavailableError
    with pytest.raises(trouble) as raised:
        store.record(batch)
    with operator.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO segments"))
    store.record(batch)

    found = store.transcript("c1")
    assert found is not None
    assert found.segments[0].text == "hello"
    assert "hello" not in told(raised.value)
    operator.dispose()


def test_what_is_set_aside_is_kept_as_it_came_and_only_once(store: Store) -> None:
    store.set_aside([aside("1-0"), aside("2-0")])
    store.set_aside([aside("1-0")])

    assert store.quarantined() == [aside("1-0"), aside("2-0")]


def test_what_is_released_is_no_longer_aside(store: Store) -> None:
    store.set_aside([aside("1-0"), aside("2-0")])

    store.release(aside("1-0").arrival)

    assert store.quarantined() == [aside("2-0")]


def test_a_deleted_call_is_gone_with_all_that_hung_on_it(store: Store) -> None:
    store.record(recorded("c1", *CALL))
    store.record(recorded("c2", *CALL))
    store.set_aside([aside(call_id="c1")])
    other = store.transcript("c2")

    assert store.delete("c1") is True
    assert store.delete("c1") is False

    assert store.transcript("c1") is None
    assert store.quarantined() == []
    assert store.transcript("c2") == other


def test_a_deleted_call_leaves_nothing_that_a_new_one_would_find(store: Store) -> None:
    store.record(recorded("c1", *CALL))
    store.delete("c1")

    store.record(recorded("c1", final("anew"), KeywordsApplied(0, ("Other",), ())))

    found = store.transcript("c1")
    assert found is not None
    assert [one.text for one in found.segments] == ["anew"]
    assert found.keywords == {"Other"}
    assert found.gaps == ()


def test_a_call_whose_id_was_used_before_is_stored_beside_the_other(store: Store) -> None:
    first = [replace(one, log="a1") for one in recorded("c1", *CALL)]
    second = [replace(one, log="b2") for one in recorded("c1", started(), final("hello", start=7))]
    third = [replace(one, log="c3") for one in recorded("c1", started(), final("again"))]

    store.record([*first, *second, *third])
    store.record([*third, *second, *first])

    found = {one.call_id: store.transcript(one.call_id) for one in store.calls()}
    assert {call_id: len(one.segments) for call_id, one in found.items() if one} == {
        "c1": 5,
        "c1~2": 1,
        "c1~3": 1,
    }
    last = found["c1~3"]
    assert last is not None
    assert [one.text for one in last.segments] == ["again"]
