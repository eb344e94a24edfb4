"""Events are unchanged by encoding for Redis; public events count in milliseconds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.call import Role
from protocol.clock import to_ms
from protocol.event_codec import (
    EventJsonWriter,
    WireError,
    decode_entry,
    encode_event,
    totals_in_ms,
)
from protocol.events import (
    AudioGap,
    CallEnded,
    CallStarted,
    CallWarning,
    ChannelTotals,
    DtmfPressed,
    Entry,
    Fault,
    Final,
    KeywordsApplied,
    LineWarning,
    MarkReached,
    Partial,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    Span,
    SpeechStarted,
    Timing,
    Word,
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
    st.builds(CallStarted, st.tuples(st.sampled_from(Role)), st.text(max_size=3), st.text(max_size=9), st.floats(0, 2e9)),
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
    st.builds(MarkReached, st.text()),
    st.builds(CallEnded, st.text(), POSITIONS, st.integers(0, 99), st.tuples(st.builds(ChannelTotals, POSITIONS))),
)  # fmt: skip


@given(EVENTS, st.none() | st.integers(1, 2**40))
def test_an_event_comes_back_as_it_went(event, seq) -> None:
    assert decode_entry(seq, encode_event(event)) == Entry(event, seq)


@given(EVENTS, st.integers(1, 2**40))
def test_every_event_has_a_public_form_in_whole_milliseconds(event, seq) -> None:
    public = json.loads(EventJsonWriter("c1", [Role.AGENT]).write(Entry(event, seq)))

    assert (public["v"], public["call_id"], public["seq"]) == (1, "c1", seq)
    assert public["type"]
    assert all(isinstance(value, int) for name, value in public.items() if name.endswith("_ms"))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_event_are_refused_as_such(payload: bytes) -> None:
    try:
        decode_entry(1, payload)
    except WireError:
        return
    raise AssertionError("nothing random is an event")


def test_an_event_of_a_newer_program_says_so() -> None:
    newer = encode_event(MarkReached("m")).replace(b"\x93\x01", b"\x93\x02", 1)

    with pytest.raises(WireError, match="newer Trunkline"):
        decode_entry(1, newer)


def test_a_final_in_public() -> None:
    event_writer = EventJsonWriter("c1")
    started = CallStarted((Role.AGENT, Role.CUSTOMER), "en", "native", 0.0)
    final = Final(
        SegmentId(1, 4), Span(8_000, 24_007), (Word("Hello", 8_800, 12_000, 0.98765), Word("you")),
        "en", 2, ("Acme",), "engine-1", Timing(3, 40), ("loop_cut",),
    )  # fmt: skip

    event_writer.write(Entry(started, 1))
    public = json.loads(event_writer.write(Entry(final, 9)))

    assert public == {
        "v": 1, "call_id": "c1", "seq": 9, "type": "segment.final", "channel": 1, "role": "customer",
        "segment_id": "1-4", "start_ms": 1000, "end_ms": 3000, "text": "Hello you",
        "words": [{"w": "Hello", "s": 1100, "e": 1500, "c": 0.988}, {"w": "you"}],
        "language": "en", "keywords_rev": 2, "keywords": ["Acme"], "engine": "engine-1",
        "latency": {"queue_ms": 3, "engine_ms": 40}, "flags": ["loop_cut"],
    }  # fmt: skip


def test_a_partial_says_which_words_will_stay_and_has_no_seq() -> None:
    partial = Partial(SegmentId(0, 0), Span(0, 800), 3, (Word("my"), Word("pol")), stable=1)

    public = json.loads(EventJsonWriter("c1").write(Entry(partial, None)))

    assert "seq" not in public
    assert public["words"] == [{"w": "my", "stable": True}, {"w": "pol", "stable": False}]


@given(st.lists(st.integers(0, 10**9), min_size=6, max_size=6))
def test_an_account_in_milliseconds_adds_up(samples: list[int]) -> None:
    account = totals_in_ms(ChannelTotals(*samples))

    assert sum(account.values()) == to_ms(sum(samples))
    assert account["transcribed_ms"] == to_ms(samples[0])
