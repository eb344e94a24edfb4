"""Twilio Media Streams, message by message."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.bridge import (
    AudioReceived,
    BridgeEvent,
    CallClosed,
    CallOpened,
    DialectError,
    DtmfReceived,
    MarkReceived,
)
from protocol.call import Role
from protocol.dialects.base import Request
from protocol.dialects.twilio import Twilio
from protocol.events import Entry, MarkReached

RECORDED = [
    json.loads(line)
    for line in (Path(__file__).parent / "recorded" / "twilio.jsonl").read_text().splitlines()
]


def twilio() -> Twilio:
    return Twilio(Request("/twilio"))


def say(dialect: Twilio, *messages: Any) -> list[BridgeEvent]:
    return [event for message in messages for event in dialect.receive(json.dumps(message))]


def start(**changes: Any) -> dict[str, Any]:
    body = {
        "callSid": "CA1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    }
    return {"event": "start", "start": body | changes}


def test_a_recorded_conversation() -> None:
    opened, customer, agent, key, mark, closed = say(twilio(), *RECORDED)

    assert isinstance(opened, CallOpened)
    assert opened.call_id == "CA00000000000000000000000000000002"
    assert opened.roles == (Role.CUSTOMER, Role.AGENT)
    assert opened.config.keywords.terms == ("Acme", "Priya Raman")
    assert opened.config.language == "en"
    assert isinstance(customer, AudioReceived)
    assert isinstance(agent, AudioReceived)
    assert (customer.channel, customer.position, customer.pcm.tolist()) == (0, 40, [0, 0, 0, 0])
    assert (agent.channel, agent.position, len(agent.pcm)) == (1, 56, 4)
    assert (key, mark, closed) == (DtmfReceived(0, "5"), MarkReceived("m1"), CallClosed())


def test_nothing_is_ever_sent_back() -> None:
    dialect = twilio()
    say(dialect, *RECORDED)

    dialect.tell(Entry(MarkReached("m1"), 1))

    assert dialect.outbox() == []


def test_roles_are_the_callers_business() -> None:
    (opened,) = say(
        twilio(),
        start(
            tracks=["inbound", "outbound"],
            customParameters={"roles": "inbound:agent,outbound:customer"},
        ),
    )

    assert isinstance(opened, CallOpened)
    assert opened.roles == (Role.AGENT, Role.CUSTOMER)


def test_a_call_id_of_the_sites_own() -> None:
    (opened,) = say(twilio(), start(customParameters={"callId": "crm-17"}))

    assert isinstance(opened, CallOpened)
    assert opened.call_id == "crm-17"


@pytest.mark.parametrize("timestamp", ["20", 20])
def test_numbers_may_be_strings(timestamp: object) -> None:
    media = {
        "event": "media",
        "media": {"track": "inbound", "timestamp": timestamp, "payload": "/w=="},
    }

    _, audio = say(twilio(), start(), media)

    assert isinstance(audio, AudioReceived)
    assert (audio.position, audio.pcm.dtype) == (160, np.int16)


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([{"event": "media", "media": {"timestamp": "0", "payload": ""}}], "media before start"),
        ([{"event": "mark", "mark": {"name": "m"}}], "mark before start"),
        ([start(), start()], "a second start"),
        ([start(tracks=[])], "tracks must be"),
        ([start(tracks=["inbound", "inbound"])], "tracks must be"),
        ([start(callSid="../x")], "a call id is"),
        ([start(mediaFormat={"encoding": "audio/l16"})], "Media Streams carry audio/x-mulaw"),
        ([start(customParameters={"roles": "inbound:boss"})], "roles are written"),
        ([start(customParameters=7)], "customParameters"),
        ([start(), {"event": "media", "media": {"track": "outbound", "timestamp": "0", "payload": ""}}], "not announced"),
        ([start(), {"event": "media", "media": {"timestamp": "x", "payload": "/w=="}}], "timestamp must be"),
        ([start(), {"event": "media", "media": {"timestamp": "1", "payload": "%%"}}], "not base64"),
        ([[]], "must be a JSON object"),
        ([{"no": "event"}], "event must be a string"),
    ],
)  # fmt: skip
def test_blame_is_precise(messages: list[Any], complaint: str) -> None:
    with pytest.raises(DialectError, match=complaint):
        say(twilio(), *messages)


def test_behind_stop_nothing_is_heard() -> None:
    dialect = twilio()
    say(dialect, *RECORDED)

    assert say(dialect, *RECORDED) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
WORDS = st.sampled_from(
    ["event", "start", "media", "dtmf", "mark", "stop", "track", "payload", "timestamp", "tracks"]
)
MESSAGES = st.one_of(
    st.sampled_from(RECORDED).map(json.dumps),
    st.dictionaries(WORDS, JSON | WORDS, max_size=5).map(json.dumps),
    st.builds(lambda body, twist: json.dumps(body | twist), st.sampled_from(RECORDED), st.dictionaries(WORDS, JSON, max_size=2)),
    st.text(max_size=40),
    st.binary(max_size=40),
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(MESSAGES, max_size=12))
def test_whatever_is_said_only_a_dialect_error_comes_out(messages: list[str | bytes]) -> None:
    dialect = twilio()
    opened = 0
    for message in messages:
        try:
            events = dialect.receive(message)
        except DialectError:
            continue
        opened += sum(isinstance(event, CallOpened) for event in events)
        assert opened == 1 or not events, "nothing is heard of a call that was not opened"
        positions = [event.position for event in events if isinstance(event, AudioReceived)]
        assert all(position is not None and position >= 0 for position in positions)
