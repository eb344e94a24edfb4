"""Events are unchanged by encoding for Redis; public events count in milliseconds."""

import json
from dataclasses import MISSING, Field, fields
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.newer_events import of_next_version, of_unknown_type, with_unknown_field

from protocol.calls.call import Role
from protocol.clock import to_ms
from protocol.events import (
    Audience,
    AudioGap,
    AudioKept,
    CallEnded,
    CallStarted,
    CallWarning,
    CardAdded,
    ChannelTotals,
    DtmfPressed,
    Entry,
    Fault,
    Final,
    KeywordsApplied,
    LineWarning,
    LoadChanged,
    MarkReached,
    Partial,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    SegmentRevised,
    Span,
    SpeechStarted,
    Terminal,
    Timing,
    TranscriptEvent,
    UnreadEntry,
    Word,
)
from protocol.events.event_codec import (
    EventJsonWriter,
    decode_entry,
    encode_event,
    entry_of,
    totals_in_ms,
)

SEGMENTS = st.builds(SegmentId, st.integers(0, 7), st.integers(0, 10**6))
POSITIONS = st.integers(0, 2**40)
SPANS = st.builds(Span, POSITIONS, POSITIONS)
WORDS = st.builds(
    Word,
    st.text(max_size=9),
    st.none() | POSITIONS,
    st.none() | POSITIONS,
    st.none() | st.floats(0, 1),
)
TEXTS = st.tuples(st.text(max_size=5))
EVENTS = st.one_of(
    st.builds(CallStarted, st.tuples(st.sampled_from(Role)), st.text(max_size=3), st.text(max_size=9), st.floats(0, 2e9), st.tuples(st.tuples(st.text(), st.text()))),
    st.builds(SpeechStarted, SEGMENTS, POSITIONS),
    st.builds(Partial, SEGMENTS, SPANS, st.integers(1, 99), st.tuples(WORDS, WORDS), st.integers(0, 2)),
    st.builds(
        Final, SEGMENTS, SPANS, st.tuples(WORDS), st.just("en"), st.integers(0, 9), TEXTS, st.just("e"),
        st.builds(Timing, st.integers(0, 99), st.integers(0, 99)), TEXTS,
    ),
    st.builds(SegmentFailed, SEGMENTS, SPANS, st.text()),
    st.builds(SegmentDropped, SEGMENTS, SPANS, st.text()),
    st.builds(AudioGap, st.integers(0, 7), SPANS, st.text()),
    st.builds(KeywordsApplied, st.integers(0, 9), TEXTS, TEXTS),
    st.builds(DtmfPressed, st.integers(0, 7), st.sampled_from("0123456789*#"), POSITIONS),
    st.builds(LineWarning, st.integers(0, 7), st.sampled_from(Fault), st.text(), st.floats(-200, 200), st.text(), POSITIONS),
    st.builds(CallWarning, st.integers(0, 99), st.text(), st.text()),
    st.builds(AudioKept, st.text(max_size=9), st.binary(max_size=9), st.booleans()),
    st.builds(
        CardAdded, st.text(max_size=9), st.text(), POSITIONS, st.text(), st.text(), st.sampled_from(Audience),
        st.none() | SEGMENTS, st.text(),
    ),
    st.builds(MarkReached, st.text()),
    st.builds(CallEnded, st.text(), POSITIONS, st.integers(0, 99), st.tuples(st.builds(ChannelTotals, POSITIONS))),
)  # fmt: skip


ONE, SPAN = SegmentId(1, 4), Span(0, 8_000)
FINAL = Final(ONE, SPAN, (Word("hello"),), "en", 0, (), "e", Timing(1, 2))
FIRST_FIELDS: dict[type, set[str]] = {
    CallStarted: {"roles", "language", "dialect", "started_at"},
    SpeechStarted: {"segment", "start"},
    Partial: {"segment", "span", "revision", "words", "stable"},
    Final: {
        "segment", "span", "words", "language", "keywords_revision", "keywords_found", "engine", "timing",
    },
    SegmentRevised: {"final"},
    SegmentFailed: {"segment", "span", "reason"},
    SegmentDropped: {"segment", "span", "reason"},
    AudioGap: {"channel", "span", "reason"},
    KeywordsApplied: {"revision", "accepted", "rejected"},
    LoadChanged: {"number", "level"},
    DtmfPressed: {"channel", "digit", "at"},
    LineWarning: {"channel", "fault", "check", "measured", "unit", "at"},
    CallWarning: {"number", "code", "message"},
    CardAdded: {"card_id", "title", "at"},
    AudioKept: {"part", "key"},
    MarkReached: {"name"},
    CallEnded: {"reason", "duration", "segments", "channels"},
    Word: {"text"},
    Timing: {"waited_ms", "engine_ms"},
    ChannelTotals: set(),
}  # fmt: skip
"""The fields without a default. Only a type that is new itself may add to them."""


@given(EVENTS, st.none() | st.integers(1, 2**40))
def test_an_event_comes_back_as_it_went(event: TranscriptEvent, seq: int | None) -> None:
    assert decode_entry(seq, encode_event(event)) == entry_of(event, seq)


@given(EVENTS, st.integers(1, 2**40))
def test_every_event_has_a_public_form_in_whole_milliseconds(
    event: TranscriptEvent, seq: int
) -> None:
    public = json.loads(EventJsonWriter("c1", [Role.AGENT]).write(entry_of(event, seq)))

    assert (public["v"], public["call_id"], public["seq"]) == (1, "c1", seq)
    assert public["type"]
    assert all(isinstance(value, int) for name, value in public.items() if name.endswith("_ms"))


@given(st.binary(max_size=200))
def test_bytes_that_are_not_an_event_are_an_unread_entry_and_raise_nothing(payload: bytes) -> None:
    assert decode_entry(1, payload) == UnreadEntry("", 1, payload)


def test_a_deeply_nested_payload_is_an_unread_entry() -> None:
    payload = b"\x93\x01\xa4Mark" + b"\x91" * 100_000

    assert isinstance(decode_entry(1, payload), UnreadEntry)


@given(EVENTS)
def test_a_field_of_a_newer_version_stays_in_the_bytes_of_the_entry(
    event: TranscriptEvent,
) -> None:
    payload = with_unknown_field(event)

    entry = decode_entry(3, payload)

    assert entry == Entry(event, 3, payload)
    assert entry.payload != encode_event(event)


def test_an_event_type_of_a_newer_version_keeps_its_place_and_its_bytes() -> None:
    payload = of_unknown_type(segment={"channel": 0, "number": 1}, speaker="B")

    assert decode_entry(7, payload) == UnreadEntry("SpeakerChanged", 7, payload)


@pytest.mark.parametrize(
    "terminal", [FINAL, SegmentFailed(ONE, SPAN, ""), SegmentDropped(ONE, SPAN, "")]
)
def test_a_terminal_event_of_a_newer_version_still_ends_its_segment(terminal: Terminal) -> None:
    newer = decode_entry(7, of_next_version(terminal, span="a new form of span"))

    assert isinstance(newer, UnreadEntry)
    assert (newer.ends, newer.is_last) == (ONE, False)
    assert decode_entry(7, encode_event(terminal)).ends == ONE


def test_the_end_of_a_call_is_known_in_any_version() -> None:
    ended = CallEnded("completed", 0, 0, ())

    assert decode_entry(7, of_next_version(ended)).is_last
    assert decode_entry(7, encode_event(ended)).is_last


def test_a_value_that_this_version_does_not_know_makes_an_entry_unread() -> None:
    payload = encode_event(LineWarning(0, Fault.NOISE, "check", 1.0, "dB", 0)).replace(
        b"noise", b"music"
    )

    assert decode_entry(7, payload) == UnreadEntry("LineWarning", 7, payload)


@pytest.mark.parametrize(
    "kind",
    [*get_args(TranscriptEvent), Word, Timing, ChannelTotals],
    ids=lambda kind: kind.__name__,
)
def test_a_new_field_of_an_event_has_a_default(kind: type) -> None:
    required = {field.name for field in fields(kind) if _has_no_default(field)}

    assert required <= FIRST_FIELDS[kind], (
        f"{kind.__name__} has a new field without a default: older entries in Redis do not have it "
        "(docs/contributing/event-field.md)."
    )


def _has_no_default(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def test_a_final_in_public() -> None:
    event_writer = EventJsonWriter("c1")
    started = CallStarted((Role.AGENT, Role.CUSTOMER), "en", "native", 0.0)
    final = Final(
        SegmentId(1, 4), Span(8_000, 24_007), (Word("Hello", 8_800, 12_000, 0.98765), Word("you")),
        "en", 2, ("Acme",), "engine-1", Timing(3, 40), ("loop_cut",),
    )  # fmt: skip

    event_writer.write(entry_of(started, 1))
    public = json.loads(event_writer.write(entry_of(final, 9)))

    assert public == {
        "v": 1, "call_id": "c1", "seq": 9, "type": "segment.final", "channel": 1, "role": "customer",
        "segment_id": "1-4", "start_ms": 1000, "end_ms": 3000, "text": "Hello you",
        "words": [{"w": "Hello", "s": 1100, "e": 1500, "c": 0.988}, {"w": "you"}],
        "language": "en", "keywords_rev": 2, "keywords": ["Acme"], "engine": "engine-1",
        "latency": {"queue_ms": 3, "engine_ms": 40}, "flags": ["loop_cut"],
    }  # fmt: skip


def test_a_partial_says_which_words_will_stay_and_has_no_seq() -> None:
    partial = Partial(SegmentId(0, 0), Span(0, 800), 3, (Word("my"), Word("pol")), stable=1)

    public = json.loads(EventJsonWriter("c1").write(entry_of(partial, None)))

    assert "seq" not in public
    assert public["words"] == [{"w": "my", "stable": True}, {"w": "pol", "stable": False}]


@given(st.lists(st.integers(0, 10**9), min_size=6, max_size=6))
def test_an_account_in_milliseconds_adds_up(samples: list[int]) -> None:
    account = totals_in_ms(ChannelTotals(*samples))

    assert sum(account.values()) == to_ms(sum(samples))
    assert account["transcribed_ms"] == to_ms(samples[0])
