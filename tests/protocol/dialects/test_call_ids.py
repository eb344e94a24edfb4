"""Which field names the call: the site's own if it says one, else the platform's, and none of the platform's others."""

import json
from typing import Any

import pytest
from recordings import request

from protocol.bridge_events import CallOpened, WarningCode
from protocol.calls.call import adapted_call_id
from protocol.dialects import registry

SIP = "a84b4c76e66710@pc33.example.com"
MULAW = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
L16 = {"encoding": "audio/x-l16", "sampleRate": 8000}
PCMU = {"encoding": "PCMU", "sample_rate": 8000}
LISTEN = {
    "callSid": "by-platform", "callId": SIP, "sbcCallid": "s", "traceId": "t", "accountSid": "a", "applicationSid": "b",
    "parentCallSid": "p", "from": "1", "to": "2", "sampleRate": 8000, "mixType": "mono", "direction": "inbound",
}  # fmt: skip
STEREO = {"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}


def start(**fields: Any) -> dict[str, Any]:
    return {"event": "start", "streamSid": "other", "stream_id": "other", "start": fields}


def hook(**parameters: Any) -> dict[str, Any]:
    said = {"participant": {"id": "other"}, "media": [STEREO], "organizationId": "other"}
    return {
        "version": "2",
        "type": "open",
        "seq": 1,
        "id": "other",
        "parameters": said | parameters,
    }


BY_PLATFORM = {
    "twilio": ("/twilio", start(callSid="by-platform", streamSid="other", accountSid="other", mediaFormat=MULAW)),
    "signalwire": ("/signalwire", start(callSid="by-platform", streamSid="other", mediaFormat=MULAW)),
    "telnyx": ("/telnyx", start(call_control_id="by-platform", call_session_id="other", call_leg_id="other", media_format=PCMU)),
    "plivo": ("/plivo", start(callId="by-platform", streamId="other", accountId="other", mediaFormat=L16)),
    "exotel": ("/exotel", start(call_sid="by-platform", stream_sid="other", media_format={"encoding": "base64"})),
    "jambonz listen": ("/freeswitch", LISTEN),
    "jambonz speech": ("/jambonz", {"type": "start", "options": {"callSid": "by-platform", "callId": SIP}}),
    "freeswitch": ("/freeswitch", {"uuid": "by-platform", "other": "x"}),
    "vonage": ("/vonage", {"event": "websocket:connected", "content-type": "audio/l16;rate=8000", "uuid": "by-platform", "conversation_uuid": "other"}),
    "asterisk": ("/asterisk", {"event": "MEDIA_START", "format": "ulaw", "channel_id": "by-platform", "connection_id": "other", "channel": "other"}),
    "genesys": ("/audiohook", hook(conversationId="by-platform")),
}  # fmt: skip

BY_SITE = {
    "twilio": ("/twilio", start(callSid="other", mediaFormat=MULAW, customParameters={"call_id": SIP})),
    "signalwire": ("/signalwire", start(callSid="other", mediaFormat=MULAW, customParameters={"callId": SIP})),
    "telnyx": (f"/telnyx?call_id={SIP}", start(call_control_id="other", media_format=PCMU)),
    "plivo": ("/plivo", start(callId="other", mediaFormat=L16) | {"extra_headers": f"call_id={SIP}"}),
    "plivo as JSON": ("/plivo", start(callId="other", mediaFormat=L16) | {"extra_headers": {"call_id": SIP}}),
    "exotel": ("/exotel", start(call_sid="other", media_format={"encoding": "base64"}, custom_parameters={"call_id": SIP})),
    "jambonz listen, URL": (f"/freeswitch?callId={SIP}", LISTEN | {"callId": "other"}),
    "jambonz listen, metadata": ("/freeswitch", LISTEN | {"call_id": SIP, "callId": "other"}),
    "jambonz speech": ("/jambonz", {"type": "start", "options": {"callSid": "other", "call_id": SIP}}),
    "freeswitch": ("/freeswitch", {"uuid": "other", "callId": SIP}),
    "vonage": ("/vonage", {"event": "websocket:connected", "content-type": "audio/l16;rate=8000", "uuid": "other", "call_id": SIP}),
    "asterisk": (f"/asterisk?callid={SIP}", {"event": "MEDIA_START", "format": "ulaw", "channel_id": "other"}),
    "genesys": ("/audiohook", hook(conversationId="other", customConfig={"call_id": SIP})),
    "native": ("/v1/calls", {"type": "start", "call_id": SIP}),
    "openai": (f"/v1/realtime?call_id={SIP}", {"type": "session.update", "session": {}}),
}  # fmt: skip


def opened(target: str, message: dict[str, Any]) -> CallOpened:
    (event,) = registry.open_dialect(request(target)).receive(json.dumps(message))
    assert isinstance(event, CallOpened)
    return event


@pytest.mark.parametrize("name", BY_PLATFORM)
def test_the_platforms_own_id_names_the_call(name: str) -> None:
    call = opened(*BY_PLATFORM[name])

    assert (call.call_id, call.warnings) == ("by-platform", ())


@pytest.mark.parametrize("name", BY_SITE)
def test_a_call_id_of_sip_that_the_site_says_wins(name: str) -> None:
    call = opened(*BY_SITE[name])

    assert (call.call_id, call.warnings) == ("a84b4c76e66710=40pc33.example.com", ())


@pytest.mark.parametrize(
    "query", ["/v1/listen?encoding=mulaw&call_id=", "/v3/ws?sample_rate=8000&call_id=", "/v1/listen?encoding=mulaw&extra=call_id:"]
)  # fmt: skip
def test_so_it_does_where_the_url_opens_the_call(query: str) -> None:
    call = registry.open_dialect(request(query + SIP)).receive(b"\xff\xff")[0]

    assert isinstance(call, CallOpened)
    assert call.call_id == adapted_call_id(SIP)


@pytest.mark.parametrize("name", [name for name in BY_PLATFORM if name not in ("freeswitch", "vonage", "jambonz listen", "jambonz speech")])  # fmt: skip
@pytest.mark.parametrize("value", ["", None, [], {"a": "b"}, True])
def test_a_call_without_a_platform_id_is_accepted_and_reported(name: str, value: object) -> None:
    target, message = BY_PLATFORM[name]
    unnamed = json.loads(json.dumps(message).replace('"by-platform"', json.dumps(value)))

    call = opened(target, unnamed)

    assert call.call_id is None
    assert [one.code for one in call.warnings] == [WarningCode.CALL_ID_MISSING]


def test_taps_with_an_id_of_sip_stay_apart() -> None:
    media_start = {"event": "MEDIA_START", "format": "ulaw", "channel_id": "1.2"}

    calls = [
        opened(f"/asterisk?callid={SIP}&leg={stream_handle}", media_start)
        for stream_handle in ("agent", "a b")
    ]

    assert [call.call_id for call in calls] == [
        "a84b4c76e66710=40pc33.example.com:agent",
        "a84b4c76e66710=40pc33.example.com:a=20b",
    ]
