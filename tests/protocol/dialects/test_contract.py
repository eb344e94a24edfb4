"""Properties of every dialect, for all messages of bridges and all events."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from recordings import DialectRecording, load, names, replay
from support.examples import examples

from protocol.bridge_events import (
    AudioReceived,
    BridgeEvent,
    CallClosed,
    CallOpened,
    DialectError,
    DtmfReceived,
    FinalizeRequested,
    KeywordsChanged,
    MarkReceived,
)
from protocol.calls.call import Role
from protocol.dialects import registry
from protocol.dialects.base import Request
from protocol.events import (
    AudioGap,
    CallEnded,
    CallStarted,
    ChannelTotals,
    DtmfPressed,
    Final,
    KeywordsApplied,
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
from protocol.events.event_codec import encode_event, entry_of

RECORDINGS = {name: load(name) for name in names()}


def test_every_dialect_has_a_recording() -> None:
    recorded = {recording.open().name for recording in RECORDINGS.values()}

    assert recorded == {registry.open_dialect(Request(path)).name for path in registry.paths()}


def test_no_two_paths_share_a_name() -> None:
    assert len({registry.open_dialect(Request(path)).name for path in registry.paths()}) == len(
        registry.paths()
    )


def test_a_slash_at_the_end_of_a_path_does_not_matter() -> None:
    assert registry.serves("/twilio/")
    assert not registry.serves("/nowhere")


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recorded_conversation_is_answered_as_recorded(name: str) -> None:
    _, answered = replay(RECORDINGS[name])

    for turn, answers in answered:
        assert answers == turn.answers, turn.happens


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_call_is_opened_once_before_anything_is_said_of_it(name: str) -> None:
    heard, _ = replay(RECORDINGS[name])

    assert isinstance(heard[0], CallOpened)
    assert not any(isinstance(event, CallOpened) for event in heard[1:])
    assert not any(isinstance(event, CallClosed) for event in heard[:-1])


# Whatever is said, in any order


def leaves(value: object) -> Iterator[tuple[tuple[Any, ...], object]]:
    """Yield the path and value of every place in a JSON value."""
    yield (), value
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in inner:
        for path, leaf in leaves(item):
            yield (key, *path), leaf


def replaced(value: Any, path: tuple[Any, ...], new: object) -> Any:
    """A copy of a JSON value with something else in one place."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def parsed(recording: DialectRecording) -> list[Any]:
    found = []
    for message in recording.messages:
        try:
            found.append(json.loads(message))
        except ValueError:
            continue
    return found


ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["\ud800", "", "0", "-1", "9" * 40, "en", "PT1.5S", "external", [], {}, [[]]])
)
POSITIONS = st.integers(0, 10**9)
SEGMENTS = st.builds(SegmentId, st.integers(0, 1), st.integers(0, 3))
SPANS = st.builds(
    lambda start, length: Span(start, start + length), POSITIONS, st.integers(0, 80_000)
)
WORDS = st.lists(
    st.one_of(
        st.builds(Word, st.text(max_size=5)),
        st.builds(Word, st.text(max_size=5), POSITIONS, POSITIONS, st.floats(0, 1)),
    ),
    max_size=4,
).map(tuple)
LOGGED = st.one_of(
    st.just(CallStarted((Role.CUSTOMER, Role.AGENT), "en", "x", 1_795_382_670.0)),
    st.builds(SpeechStarted, SEGMENTS, POSITIONS),
    st.builds(Partial, SEGMENTS, SPANS, st.integers(1, 9), WORDS, st.integers(0, 4)),
    st.builds(
        Final, SEGMENTS, SPANS, WORDS, st.just("en"), st.integers(0, 3), st.just(("Acme",)),
        st.just("engine"), st.just(Timing(1, 2)), st.just(()),
    ),
    st.builds(SegmentFailed, SEGMENTS, SPANS, st.text(max_size=5)),
    st.builds(SegmentDropped, SEGMENTS, SPANS, st.text(max_size=5)),
    st.builds(AudioGap, st.integers(0, 1), SPANS, st.text(max_size=5)),
    st.builds(KeywordsApplied, st.integers(0, 9), st.just(("Acme",)), st.just(("?: empty",))),
    st.builds(DtmfPressed, st.integers(0, 1), st.just("5"), POSITIONS),
    st.builds(MarkReached, st.text(max_size=12)),
    st.builds(CallEnded, st.text(max_size=5), POSITIONS, st.integers(0, 9), st.just((ChannelTotals(),) * 2)),
)  # fmt: skip


class AnyOrder(RuleBasedStateMachine):
    """A bridge that has lost its mind, and a log that says whatever a log may say."""

    recording: DialectRecording

    @initialize()
    def connect(self) -> None:
        self.dialect = self.recording.open()
        self.opened: CallOpened | None = None
        self.closed = False
        self.seq = 0
        self.next = 0

    @rule()
    def says_what_comes_next(self) -> None:
        messages = self.recording.messages
        self.feed(messages[self.next % len(messages)])
        self.next += 1

    @rule(data=st.data())
    def says_something_known(self, data: st.DataObject) -> None:
        self.feed(data.draw(st.sampled_from(self.recording.messages)))

    @rule(data=st.data(), new=ANYTHING)
    def says_something_known_with_a_twist(self, data: st.DataObject, new: object) -> None:
        if messages := parsed(self.recording):
            message = data.draw(st.sampled_from(messages))
            place, _ = data.draw(st.sampled_from(list(leaves(message))))
            self.feed(json.dumps(replaced(message, place, new)))

    @rule(message=st.text(max_size=30) | st.binary(max_size=30))
    def babbles(self, message: str | bytes) -> None:
        self.feed(message)

    @rule(event=LOGGED)
    def is_told(self, event: Any) -> None:
        if self.opened:
            self.seq += 1
            self.dialect.notify(entry_of(event, None if isinstance(event, Partial) else self.seq))

    def feed(self, message: str | bytes) -> None:
        try:
            events = self.dialect.receive(message)
        except DialectError as exc:
            assert str(exc)  # blame has a name
            return
        for event in events:
            self.check(event)

    def check(self, event: BridgeEvent) -> None:
        assert not self.closed, "nothing may come behind the end"
        if isinstance(event, CallOpened):
            assert self.opened is None, "a connection carries one call"
            self.opened = event
            self.dialect.opened(event.call_id or "call-made-up")
            return
        assert self.opened is not None, "a call is opened before anything is said of it"
        self.check_within_call(event, len(self.opened.roles))

    def check_within_call(self, event: BridgeEvent, channels: int) -> None:
        match event:
            case AudioReceived(channel, pcm, position):
                assert 0 <= channel < channels
                assert pcm.ndim == 1
                assert position is None or position >= 0
            case DtmfReceived(channel, digit):
                assert 0 <= channel < channels
                encode_event(DtmfPressed(channel, digit, 0))
            case MarkReceived(name):
                encode_event(MarkReached(name))
            case KeywordsChanged(terms, rejected):
                encode_event(KeywordsApplied(1, terms, rejected))
            case FinalizeRequested(channel):
                assert channel is None or 0 <= channel < channels
            case CallClosed():
                self.closed = True
            case _:
                pass

    def teardown(self) -> None:
        if hasattr(self, "dialect"):
            for message in self.dialect.outbox():
                json.loads(message)
            assert self.dialect.outbox() == []


@pytest.mark.parametrize("name", RECORDINGS)
def test_whatever_is_said_only_a_dialect_error_comes_out(name: str) -> None:
    class OfThisDialect(AnyOrder):
        recording = RECORDINGS[name]

    OfThisDialect.TestCase.settings = settings(
        max_examples=examples(60), stateful_step_count=15, deadline=None
    )

    OfThisDialect.TestCase().runTest()
