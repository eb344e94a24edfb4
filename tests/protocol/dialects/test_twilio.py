"""Twilio Media Streams, message by message."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from recordings import load, replay

from protocol.bridge_events import (
    AudioReceived,
    BridgeEvent,
    CallClosed,
    CallOpened,
    DialectError,
    DtmfReceived,
    MarkReceived,
)
from protocol.calls.call import Role
from protocol.dialects.base import Request
from protocol.dialects.media_streams.twilio import MediaStreams
from protocol.dialects.media_streams.vendors import TELNYX
from protocol.events import MarkReached
from protocol.events.event_codec import entry_of

RECORDED = [json.loads(message) for message in load("twilio").messages]


def twilio() -> MediaStreams:
    return MediaStreams(Request("/twilio"))


def say(dialect: MediaStreams, *messages: Any) -> list[BridgeEvent]:
    return [event for message in messages for event in dialect.receive(json.dumps(message))]


def start(**changes: Any) -> dict[str, Any]:
    body = {
        "callSid": "CA1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    }
    return {"event": "start", "start": body | changes}


def media(**changes: Any) -> dict[str, Any]:
    body = {"track": "inbound", "timestamp": "0", "payload": "/w=="}
    return {"event": "media", "media": body | changes}


def heard(events: list[BridgeEvent]) -> list[tuple[int, int | None, list[int]]]:
    return [
        (event.channel, event.position, event.pcm.tolist())
        for event in events
        if isinstance(event, AudioReceived)
    ]


def test_a_recorded_conversation() -> None:
    opened, customer, agent, key, mark, closed = say(twilio(), *RECORDED)

    assert isinstance(opened, CallOpened)
    assert opened.call_id == "CA00000000000000000000000000000002"
    assert opened.roles == (Role.CUSTOMER, Role.AGENT)
    assert opened.config.keywords.terms == ("Acme", "Priya Raman")
    assert opened.config.language == "en"
    assert isinstance(customer, AudioReceived)
    assert isinstance(agent, AudioReceived)
    assert (customer.channel, customer.position, customer.pcm.tolist()) == (0, 0, [0, 0, 0, 0])
    assert (agent.channel, agent.position, len(agent.pcm)) == (1, 0, 4)
    assert (key, mark, closed) == (DtmfReceived(0, "5"), MarkReceived("m1"), CallClosed())


def test_nothing_is_ever_sent_back() -> None:
    dialect = twilio()
    say(dialect, *RECORDED)

    dialect.notify(entry_of(MarkReached("m1"), 1))

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
    assert (audio.position, audio.pcm.dtype) == (160, np.dtype(np.int16))


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([{"event": "media", "media": {"timestamp": "0", "payload": ""}}], "media before start"),
        ([{"event": "mark", "mark": {"name": "m"}}], "mark before start"),
        ([start(), start()], "a second start"),
        ([start(mediaFormat={"encoding": "audio/l16"})], "twilio may send mulaw, not"),
        ([start(), media(track="outbound")], "not announced"),
        ([start(), media(timestamp="x")], "timestamp must be"),
        ([start(), media(payload="%%")], "not base64"),
        ([start(), {"event": "dtmf", "dtmf": {"digit": "55"}}], "digit must be one of"),
        ([start(), {"event": "mark", "mark": {"name": "\ud800"}}], "not a JSON message"),
        ([[]], "must be a JSON object"),
        ([{"no": "event"}], "event must be a string"),
    ],
)  # fmt: skip
def test_blame_is_precise(messages: list[Any], complaint: str) -> None:
    with pytest.raises(DialectError, match=complaint):
        say(twilio(), *messages)


def test_audio_after_stop_is_ignored() -> None:
    dialect = twilio()
    say(dialect, *RECORDED)

    assert say(dialect, *RECORDED) == []


def test_rounded_milliseconds_make_no_gaps_and_do_not_add_up() -> None:
    dialect = twilio()
    say(dialect, start())
    frame = base64.b64encode(bytes(160)).decode()

    events = say(dialect, *[media(timestamp=stamp, payload=frame) for stamp in (3, 22, 44, 61, 83)])

    assert [position for _, position, _ in heard(events)] == [0, 160, 320, 480, 640]


def test_a_lost_frame_is_seen() -> None:
    dialect = twilio()
    say(dialect, start())
    frame = base64.b64encode(bytes(160)).decode()

    events = say(dialect, *[media(timestamp=stamp, payload=frame) for stamp in (0, 20, 61, 80)])

    assert [position for _, position, _ in heard(events)] == [0, 160, 488, 648]


# Its relatives: SignalWire, Telnyx, Plivo, Exotel


def test_signalwire_in_wideband() -> None:
    (opened, *rest), _ = replay(load("signalwire"))

    assert isinstance(opened, CallOpened)
    assert (opened.rate, opened.roles) == (16_000, (Role.AGENT, Role.CUSTOMER))
    assert heard(rest) == [(1, 0, [1, 2]), (1, 320, [3, 4])]


def test_telnyx_frames_change_places_and_its_id_has_signs_that_ours_may_not_have() -> None:
    (opened, *rest), _ = replay(load("telnyx"))

    assert isinstance(opened, CallOpened)
    assert opened.call_id == "v2:T02llQxIyaRkhfRKxgAP8nY511EhFLiz=3D=3D"
    assert opened.roles == (
        Role.CUSTOMER,
        Role.AGENT,
    )  # start announces no tracks: there may be both
    assert opened.config.keywords.terms == ("Acme",)
    assert [position for _, position, _ in heard(rest)] == [160, 0]
    assert rest[-2:] == [DtmfReceived(0, "1"), CallClosed()]


def test_plivo_counts_by_the_clock_on_the_wall() -> None:
    (opened, *rest), _ = replay(load("plivo"))

    assert isinstance(opened, CallOpened)
    assert opened.call_id == "12345678-0000-4000-8000-000000000004"
    assert opened.config.keywords.terms == ("Acme",)
    assert [position for _, position, _ in heard(rest)] == [0, 160, 320]
    assert rest[-1] == DtmfReceived(0, "2")  # no stop: the socket is closed


def test_exotel_has_one_track_without_a_name() -> None:
    (opened, *rest), _ = replay(load("exotel"))

    assert isinstance(opened, CallOpened)
    assert (opened.call_id, opened.roles) == ("excall0000000000000000000000000005", (Role.MIXED,))
    assert heard(rest) == [(0, 0, [1, 2, 3, 4])]
    assert rest[1:] == [DtmfReceived(0, "7"), MarkReceived("reply-1"), CallClosed()]


def test_a_stream_that_announces_no_tracks_may_have_them_named_in_its_url() -> None:
    dialect = MediaStreams(Request("/telnyx", (("tracks", "outbound"),)), TELNYX)

    (opened,) = say(
        dialect,
        {
            "event": "start",
            "start": {"call_control_id": "c1", "media_format": {"encoding": "PCMU"}},
        },
    )

    assert isinstance(opened, CallOpened)
    assert opened.roles == (Role.AGENT,)


@pytest.mark.parametrize("encoding", ["AMR-WB", "GSM"])
def test_what_a_vendor_might_send_but_we_cannot_decode_is_refused_by_name(encoding: str) -> None:
    start = {"call_control_id": "c1", "media_format": {"encoding": encoding, "sample_rate": 16000}}

    with pytest.raises(
        DialectError, match=f"telnyx may send pcmu, pcma, l16, g722, opus, not '{encoding}'"
    ):
        say(MediaStreams(Request("/telnyx"), TELNYX), {"event": "start", "start": start})
