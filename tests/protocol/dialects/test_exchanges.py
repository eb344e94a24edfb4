"""PBXs and platforms that send raw samples: Asterisk, FreeSWITCH, jambonz, Vonage."""

import json
from typing import Any

import pytest
from recordings import load, replay, request

from protocol.bridge_events import (
    AudioReceived,
    BridgeEvent,
    CallClosed,
    CallOpened,
    DialectError,
    DtmfReceived,
    EarlyError,
)
from protocol.calls.call import Role
from protocol.dialects import registry
from protocol.dialects.base import Dialect, ErrorReporting, LateOpening


def dialect(target: str, headers: dict[str, str] | None = None) -> Dialect:
    return registry.open_dialect(request(target, headers))


def say(speaker: Dialect, *messages: Any) -> list[BridgeEvent]:
    return [
        event
        for message in messages
        for event in speaker.receive(
            message if isinstance(message, str | bytes) else json.dumps(message)
        )
    ]


def heard(events: list[BridgeEvent]) -> list[tuple[int, list[int]]]:
    return [
        (event.channel, event.pcm.tolist()) for event in events if isinstance(event, AudioReceived)
    ]


# Asterisk


def test_asterisk_in_words() -> None:
    (opened, *rest), _ = replay(load("asterisk"))

    assert isinstance(opened, CallOpened)
    assert (opened.call_id, opened.roles, opened.rate) == (
        "crm-17:customer",
        (Role.CUSTOMER,),
        8_000,
    )
    assert opened.config.keywords.terms == ("Acme",)
    assert heard(rest) == [(0, [0, 0, 0, 0]), (0, [0, 0])]  # a last frame may be short
    assert rest[1] == DtmfReceived(0, "5")


def test_asterisk_in_json_says_more() -> None:
    (opened, *rest), _ = replay(load("asterisk.json"))

    assert isinstance(opened, CallOpened)
    assert (opened.call_id, opened.roles, opened.rate) == ("1795383181.5", (Role.AGENT,), 16_000)
    assert opened.config.keywords.terms == ("Acme", "Priya Raman")
    assert heard(rest) == [(0, [1]), (0, [2])]
    assert rest[-1] == DtmfReceived(0, "#")


def test_asterisks_variables_win_over_a_url_that_may_be_of_the_call_before() -> None:
    media_start = {
        "event": "MEDIA_START",
        "channel_id": "1.2",
        "format": "ulaw",
        "channel_variables": {"__CALL_ID": "mine", "__ROLE": "agent"},
    }

    (opened,) = say(dialect("/asterisk?call_id=theirs&role=customer"), media_start)

    assert isinstance(opened, CallOpened)
    assert (opened.call_id, opened.roles) == ("mine", (Role.AGENT,))


def test_taps_of_asterisk_join_under_the_calls_own_name() -> None:
    said = "call_id=crm-17&leg=agent&join=customer-agent"

    (opened,) = say(dialect(f"/asterisk?{said}"), "MEDIA_START channel_id:1.2 format:ulaw")

    assert isinstance(opened, CallOpened)
    assert (opened.call_id, opened.roles) == ("crm-17", (Role.AGENT,))
    assert opened.joins == (Role.CUSTOMER, Role.AGENT)


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([b"\x00"], "audio before MEDIA_START"),
        (["DTMF_END digit:5"], "DTMF_END before MEDIA_START"),
        (["MEDIA_START channel_id:1.2 format:speex"], "dial with c"),
        (["MEDIA_START channel_id:1.2"], "format must be a string"),
        (["MEDIA_START channel_id:1.2 format:ulaw"] * 2, "a second MEDIA_START"),
        (["{"], "not a JSON message"),
    ],
)
def test_asterisk_is_blamed_precisely(messages: list[str | bytes], complaint: str) -> None:
    with pytest.raises(DialectError, match=complaint):
        say(dialect("/asterisk"), *messages)


# FreeSWITCH


def test_freeswitch_in_stereo() -> None:
    (opened, *rest), _ = replay(load("freeswitch"))

    assert isinstance(opened, CallOpened)
    assert opened.call_id == "2f3a9c1e-0000-4000-8000-000000000006"
    assert (opened.roles, opened.rate) == ((Role.CUSTOMER, Role.AGENT), 16_000)
    assert opened.config.keywords.terms == ("Acme",)
    assert "authorization" not in dict(opened.metadata)
    assert heard(rest) == [(0, [1, 3]), (1, [2, 4])]
    assert rest[2:] == [DtmfReceived(0, "2"), CallClosed()]


def test_the_listen_verb_of_jambonz_knows_no_transcripts() -> None:
    (opened, *rest), answered = replay(load("freeswitch.silent"))

    assert isinstance(opened, CallOpened)
    assert opened.call_id == "4f2c0a1b-0000-4000-8000-000000000007"
    assert heard(rest) == [(0, [1, 2])]
    assert all(not answers for _, answers in answered)


def test_freeswitch_may_send_no_metadata_at_all() -> None:
    module = dialect("/freeswitch", {"x-call-id": "c9"})

    with pytest.raises(EarlyError, match="audio before metadata"):  # which may come still
        say(module, b"\x01\x00")
    assert isinstance(module, LateOpening)
    opened, audio = module.open_late() + say(module, b"\x01\x00")

    assert isinstance(opened, CallOpened)
    assert (opened.call_id, opened.roles, opened.rate) == ("c9", (Role.MIXED,), 8_000)
    assert heard([audio]) == [(0, [1])]


def test_metadata_may_be_any_words() -> None:
    (opened,) = say(dialect("/freeswitch?role=agent"), "hello there")

    assert isinstance(opened, CallOpened)
    assert (opened.roles, ("metadata", "hello there") in opened.metadata) == ((Role.AGENT,), True)


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("/freeswitch?mix=quad", "mix must be one of mono, mixed, stereo"),
        ("/freeswitch?rate=96k", "send 8000 to 48000"),
    ],
)
def test_freeswitch_is_blamed_precisely(target: str, complaint: str) -> None:
    with pytest.raises(DialectError, match=complaint):
        say(dialect(target), "{}")


# jambonz


def test_jambonz_and_its_speech_vendor() -> None:
    (opened, *rest), _ = replay(load("jambonz"))

    assert isinstance(opened, CallOpened)
    assert opened.call_id == "4f2c0a1b-0000-4000-8000-000000000008"
    assert opened.roles == (Role.CUSTOMER, Role.AGENT)
    assert opened.config.keywords.terms == ("Acme", "Priya Raman")
    assert (opened.config.language, opened.config.partials) == ("en", True)
    assert heard(rest) == [(0, [1, 3]), (1, [2, 4])]
    assert rest[-1] == CallClosed()


def test_jambonz_gets_partials_only_if_it_asks() -> None:
    (opened,) = say(dialect("/jambonz"), {"type": "start"})

    assert isinstance(opened, CallOpened)
    assert opened.config.partials is False


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([b"\x00"], "audio before start"),
        ([{"type": "start"}, {"type": "start"}], "a second start"),
        ([{"type": "start", "encoding": "MP3"}], "send LINEAR16"),
        ([{"type": "start", "sampleRateHz": 96000}], "send 8000 to 48000"),
    ],
)
def test_jambonz_is_blamed_precisely_and_in_band(messages: list[Any], complaint: str) -> None:
    vendor = dialect("/jambonz")

    with pytest.raises(DialectError, match=complaint) as fault:
        say(vendor, *messages)
    assert isinstance(vendor, ErrorReporting)
    vendor.report_error("bad_message", str(fault.value))

    (error,) = (json.loads(message) for message in vendor.outbox())
    assert (error["type"], complaint in error["error"]) == ("error", True)


# Vonage


def test_vonage_says_in_headers_what_it_is() -> None:
    (opened, *rest), _ = replay(load("vonage"))

    assert isinstance(opened, CallOpened)
    assert (opened.call_id, opened.roles, opened.rate) == ("crm-17", (Role.CUSTOMER,), 16_000)
    assert opened.config.keywords.terms == ("Acme",)
    assert heard(rest) == [(0, [1, 2])]
    assert rest[-1] == DtmfReceived(0, "5")


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([b"\x00"], "audio before websocket:connected"),
        ([{"event": "websocket:dtmf", "digit": "1"}], "before websocket:connected"),
        (
            [{"event": "websocket:connected", "content-type": "audio/l16;rate=96000"}],
            "send 8000 to 48000",
        ),
        ([{"event": "websocket:connected"}], "content-type must be a string"),
    ],
)
def test_vonage_is_blamed_precisely(messages: list[Any], complaint: str) -> None:
    with pytest.raises(DialectError, match=complaint):
        say(dialect("/vonage"), *messages)
