"""Trunkline's own dialect."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import load

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
from protocol.dialects.base import Request
from protocol.dialects.native import Native
from protocol.events import MarkReached
from protocol.events.event_codec import entry_of

RECORDED = load("native").messages


def native(*query: tuple[str, str]) -> Native:
    return Native(Request("/v1/calls", query))


def say(dialect: Native, *messages: Any) -> list[BridgeEvent]:
    return [
        event
        for message in messages
        for event in dialect.receive(
            message if isinstance(message, str | bytes) else json.dumps(message)
        )
    ]


def heard(events: list[BridgeEvent]) -> list[tuple[int, list[int]]]:
    return [
        (event.channel, event.pcm.tolist()) for event in events if isinstance(event, AudioReceived)
    ]


def test_a_recorded_conversation() -> None:
    dialect = native()

    opened, *rest = say(dialect, *RECORDED)

    assert isinstance(opened, CallOpened)
    assert (opened.call_id, opened.roles, opened.rate) == (
        "call-7",
        (Role.AGENT, Role.CUSTOMER),
        8000,
    )
    assert (opened.config.language, opened.config.hangover_ms) == ("en", 300)
    assert opened.metadata == (("queue", "sales"),)
    assert heard(rest) == [(0, [1, 3]), (1, [2, 4]), (1, [5, 6])]
    assert [event for event in rest if not isinstance(event, AudioReceived)] == [
        KeywordsChanged(
            ("Orvanta",),
            (
                "<|x|>: only letters, digits, spaces and - ' . : & / + # ! @ ( ) are allowed in a keyword",
            ),
        ),
        DtmfReceived(1, "#"),
        MarkReceived("m1"),
        FinalizeRequested(0),
        FinalizeRequested(None),
        CallClosed(),
    ]
    assert dialect.outbox() == ['{"type":"pong"}']


@given(st.lists(st.integers(1, 7), max_size=8))
def test_a_sample_may_be_cut_in_two_by_the_end_of_a_frame(sizes: list[int]) -> None:
    dialect = native()
    say(dialect, {"type": "start", "channels": 2, "encoding": "l16"})
    audio = bytes(range(sum(sizes)))
    together: dict[int, list[int]] = {0: [], 1: []}
    position = 0
    for size in sizes:
        for channel, pcm in heard(say(dialect, audio[position : position + size])):
            together[channel] += pcm
        position += size

    whole = len(audio) // 4
    assert together[0] == [int.from_bytes(audio[4 * n : 4 * n + 2], "little") for n in range(whole)]
    assert together[1] == [
        int.from_bytes(audio[4 * n + 2 : 4 * n + 4], "little") for n in range(whole)
    ]


def test_a_raw_sender_may_put_the_start_into_the_query() -> None:
    dialect = native(
        ("channels", "customer"), ("call_id", "c1"), ("keywords", "Acme,Orvanta"), ("keywords", "X")
    )

    opened, audio = say(dialect, b"\xff\xff")

    assert isinstance(opened, CallOpened)
    assert (opened.call_id, opened.roles) == ("c1", (Role.CUSTOMER,))
    assert opened.config.keywords.terms == ("Acme", "Orvanta", "X")
    assert heard([audio]) == [(0, [0, 0])]


def test_everything_goes_back_under_the_calls_id() -> None:
    dialect = native()
    say(dialect, {"type": "start"})

    dialect.opened("call-made-up")
    dialect.notify(entry_of(MarkReached("m1"), 4))

    (message,) = dialect.outbox()
    assert json.loads(message) == {
        "v": 1,
        "call_id": "call-made-up",
        "seq": 4,
        "type": "mark",
        "name": "m1",
    }
    assert dialect.outbox() == []


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([b"\x00"], "audio before start"),
        ([{"type": "stop"}], "stop before start"),
        ([{"type": "start"}, {"type": "start"}], "a second start"),
        ([{"type": "start"}, {"type": "stop"}, b"\x00"], "no message is allowed after stop"),
        ([{"type": "hello"}], "unknown type 'hello'"),
        ([{"type": "start", "channels": 0}], "channels must be"),
        ([{"type": "start", "channels": 9}], "channels must be"),
        ([{"type": "start", "channels": ["boss"]}], "a role is one of"),
        ([{"type": "start", "channels": True}], "channels must be"),
        ([{"type": "start", "encoding": "mp3"}], "unknown encoding 'mp3'"),
        ([{"type": "start", "encoding": "l16", "sample_rate": 96000}], "send 8000 to 48000"),
        ([{"type": "start", "sample_rate": 16000}], "set encoding"),
        ([{"type": "start"}, {"type": "audio", "payload": "?"}], "not base64"),
        (
            [{"type": "start"}, {"type": "audio", "channel": 1, "payload": ""}],
            "channel 1 does not exist",
        ),
        ([{"type": "start"}, {"type": "dtmf"}], "digit must be a string"),
    ],
)
def test_blame_is_precise(messages: list[Any], complaint: str) -> None:
    with pytest.raises(DialectError, match=complaint):
        say(native(), *messages)


def test_errors_are_reported_in_band_because_a_close_reason_is_short() -> None:
    dialect = native()

    with pytest.raises(DialectError) as fault:
        say(dialect, {"type": "hello"})
    dialect.report_error("bad_message", str(fault.value))

    (message,) = dialect.outbox()
    told = json.loads(message)
    assert (told["type"], told["code"], told["retryable"]) == ("error", "bad_message", False)
    assert "unknown type 'hello'" in told["message"]


def test_a_start_that_is_refused_may_be_said_again() -> None:
    dialect = native()
    with pytest.raises(DialectError):
        say(dialect, {"type": "start", "encoding": "mp3"})

    (opened,) = say(dialect, {"type": "start"})

    assert isinstance(opened, CallOpened)


@pytest.mark.parametrize("channels", ["²", "9" * 5_000, "", "0", "9"])
def test_a_count_of_channels_that_is_none_is_refused(channels: str) -> None:
    with pytest.raises(DialectError, match=r"channels must be|a role is one of"):
        say(native(("channels", channels)), b"\xff")
