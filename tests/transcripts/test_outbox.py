"""Every entry of an outbox is decoded or raises UnreadableError."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.call_records import CALL, recorded

from protocol.events import LoggedEvent
from protocol.events.event_codec import encode_event, entry_of
from transcripts.outbox import Recorded, UnreadableEntryError, arrival, read

GOOD = {b"c": b"c1", b"s": b"1", b"e": encode_event(CALL[0])}


@pytest.mark.parametrize("event", CALL)
def test_what_the_queue_wrote_is_read_as_it_was(event: LoggedEvent) -> None:
    came = arrival("outbox", b"5-0", {b"c": b"c1", b"s": b"12", b"e": encode_event(event)})

    assert read(came) == Recorded("c1", entry_of(event, 12))
    assert (came.outbox, came.entry_id) == ("outbox", "5-0")


@pytest.mark.parametrize(
    "spoilt",
    [
        {b"c": b""},
        {b"c": b"\xff\xfe"},
        {b"c": b"../../etc"},
        {b"c": b"c" * 256},
        {b"s": b""},
        {b"s": b"first"},
        {b"s": b"0"},
        {b"s": b"-3"},
        {b"s": b"9223372036854775808"},
        {b"e": b""},
        {b"e": b"\x93\x02\xa5Final\x80"},
        {b"e": b"\x91" * 100_000},
    ],
)
def test_a_field_that_makes_no_sense_is_refused(spoilt: dict[bytes, bytes]) -> None:
    with pytest.raises(UnreadableEntryError):
        read(arrival("outbox", b"5-0", GOOD | spoilt))


@given(st.dictionaries(st.sampled_from([b"c", b"s", b"e", b"x"]), st.binary(max_size=64)))
def test_nothing_in_an_outbox_brings_more_than_a_refusal(fields: dict[bytes, bytes]) -> None:
    came = arrival("outbox", b"5-0", fields)

    with pytest.raises(UnreadableEntryError):
        read(came)
    assert came.payload == fields.get(b"e", b"")


def test_neither_form_shows_what_was_said() -> None:
    came = arrival("outbox", b"5-0", GOOD | {b"e": b"the payload"})

    with pytest.raises(UnreadableEntryError) as refused:
        read(came)

    assert "payload" not in repr(came)
    assert "payload" not in str(refused.value)


def test_all_kinds_of_events_are_among_the_examples() -> None:
    kinds = {type(one.entry.event).__name__ for one in recorded("c1", *CALL)}

    assert {"CallStarted", "CallEnded", "Final", "SegmentFailed", "SegmentDropped"} <= kinds
