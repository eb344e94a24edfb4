"""Every audio format that a bridge may declare: the rate of the call, and the samples that come out."""

import base64
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from protocol.audio import Encoding, Pcm, encode
from protocol.bridge_events import (
    AudioReceived,
    BridgeEvent,
    CallOpened,
    DialectError,
    EarlyError,
    EncodedAudioReceived,
)
from protocol.dialects import registry
from protocol.dialects.audiosocket import AudioSocket, Frame
from protocol.dialects.base import Dialect, LateOpening, Request
from protocol.dialects.common.track_audio import encoding_of

Message = str | bytes
RATES = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]
WAVE = (3_000 * np.sin(np.arange(800) / 9)).astype(np.int16)


def dialect(url: str) -> Dialect:
    path, _, query = url.partition("?")
    pairs = [tuple(pair.split("=", 1)) for pair in query.split("&") if pair]
    return registry.open_dialect(Request(path, tuple((name, value) for name, value in pairs)))


def heard(bridge: Dialect, messages: list[Message]) -> tuple[int, Pcm]:
    events = [event for message in messages for event in received(bridge, message)]
    opened = next(event for event in events if isinstance(event, CallOpened))
    decoded = [one for event in events for one in samples_of(event)]
    return opened.rate, np.concatenate(decoded)


def received(bridge: Dialect, message: Message) -> list[BridgeEvent]:
    """As in a session: a dialect that waits for an opening message is opened without it."""
    try:
        return bridge.receive(message)
    except EarlyError:
        assert isinstance(bridge, LateOpening)
        return [*bridge.open_late(), *bridge.receive(message)]


def samples_of(event: BridgeEvent) -> list[Pcm]:
    match event:
        case AudioReceived(pcm=pcm):
            return [pcm]
        case EncodedAudioReceived():
            return [one.pcm for piece in event.decoded() for one in piece]
        case _:
            return []


def binary(first: Callable[[int], str] | None = None) -> Callable[[int, bytes], list[Message]]:
    return lambda rate, audio: [*([first(rate)] if first else []), audio]


def media_streams(
    call_id: str, media_format: str, sample_rate: str, encoding: str
) -> Callable[[int, bytes], list[Message]]:
    def messages(rate: int, audio: bytes) -> list[Message]:
        declared = {"encoding": encoding, sample_rate: str(rate)}
        start: dict[str, Any] = {call_id: "c1", media_format: declared, "tracks": ["inbound"]}
        payload = base64.b64encode(audio).decode()
        media = {"track": "inbound", "timestamp": "0", "payload": payload}
        return [
            json.dumps({"event": "start", "start": start}),
            json.dumps({"event": "media", "media": media}),
        ]

    return messages


def base64_audio(kind: str, field: str, start: Callable[[int], str]) -> Any:
    def messages(rate: int, audio: bytes) -> list[Message]:
        return [start(rate), json.dumps({"type": kind, field: base64.b64encode(audio).decode()})]

    return messages


def openai(rate: int) -> str:
    declared = {"type": "audio/pcm", "rate": rate}
    return json.dumps(
        {"type": "session.update", "session": {"audio": {"input": {"format": declared}}}}
    )


LINEAR: dict[str, tuple[str, Callable[[int, bytes], list[Message]]]] = {
    "native": (
        "/v1/calls",
        binary(lambda rate: f'{{"type":"start","encoding":"l16","sample_rate":{rate}}}'),
    ),
    "deepgram": ("/v1/listen?encoding=linear16&sample_rate=RATE", binary()),
    "assemblyai": ("/v3/ws?sample_rate=RATE", binary()),
    "openai": ("/v1/realtime", base64_audio("input_audio_buffer.append", "audio", openai)),
    "freeswitch": ("/freeswitch?rate=RATE", binary()),
    "jambonz": ("/jambonz", binary(lambda rate: f'{{"type":"start","sampleRateHz":{rate}}}')),
    "vonage": (
        "/vonage",
        binary(
            lambda rate: (
                f'{{"event":"websocket:connected","content-type":"audio/L16; rate={rate}"}}'
            )
        ),
    ),
    "telnyx": ("/telnyx", media_streams("call_control_id", "media_format", "sample_rate", "L16")),
    "signalwire": (
        "/signalwire",
        media_streams("callSid", "mediaFormat", "sampleRate", "audio/x-L16"),
    ),
    "plivo": ("/plivo", media_streams("callId", "mediaFormat", "sampleRate", "audio/x-l16")),
    "exotel raw": ("/exotel", media_streams("call_sid", "media_format", "sample_rate", "raw")),
    "exotel raw/slin": (
        "/exotel",
        media_streams("call_sid", "media_format", "sample_rate", "raw/slin"),
    ),
}


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", LINEAR)
def test_linear_audio_of_any_rate_is_received_sample_by_sample(name: str, rate: int) -> None:
    url, messages = LINEAR[name]
    audio = encode(WAVE, Encoding.L16)

    told, pcm = heard(dialect(url.replace("RATE", str(rate))), messages(rate, audio))

    assert told == rate
    assert pcm.tolist() == WAVE.tolist()


def sent_by_vendor(encoding: str) -> list[Message]:
    _, messages = LINEAR["telnyx"]
    start, media = messages(8_000, bytes(160))
    return [str(start).replace("L16", encoding), media]


@pytest.mark.parametrize(
    ("url", "messages", "encoding"),
    [
        *((url, messages(8_000, bytes(320)), "l16") for url, messages in LINEAR.values()),
        ("/v1/calls", ['{"type":"start"}'], "mulaw"),
        ("/v1/calls", ['{"type":"start","encoding":"pcma"}'], "alaw"),
        ("/v1/listen?encoding=mulaw&sample_rate=8000", [bytes(160)], "mulaw"),
        ("/telnyx", sent_by_vendor("PCMU"), "mulaw"),
        ("/telnyx", sent_by_vendor("G722"), "g722"),
        ("/asterisk", ["MEDIA_START connection_id:x channel_id:c-1.1 format:alaw"], "alaw"),
    ],
)
def test_the_call_tells_the_encoding_of_its_bridge(
    url: str, messages: list[Message], encoding: str
) -> None:
    if encoding == "g722":
        pytest.importorskip("av")
    bridge = dialect(url.replace("RATE", "8000"))

    events = [event for message in messages for event in received(bridge, message)]

    opened = next(event for event in events if isinstance(event, CallOpened))
    assert opened.encoding == encoding


@pytest.mark.parametrize("rate", [7_999, 48_001, 96_000])
@pytest.mark.parametrize("name", LINEAR)
def test_a_rate_outside_is_refused_with_what_is_taken(name: str, rate: int) -> None:
    url, messages = LINEAR[name]

    with pytest.raises(DialectError, match=f"{rate} is not supported: send 8000 to 48000 Hz"):
        heard(dialect(url.replace("RATE", str(rate))), messages(rate, bytes(2)))


@pytest.mark.parametrize(
    ("name", "rate"),
    [("slin", 8_000), ("slin12", 12_000), ("slin16", 16_000), ("slin24", 24_000),
     ("slin32", 32_000), ("slin44", 44_100), ("slin48", 48_000)],
)  # fmt: skip
def test_asterisk_has_a_name_for_each_rate(name: str, rate: int) -> None:
    start = f"MEDIA_START connection_id:x channel:WebSocket/x channel_id:c-1.1 format:{name}"

    told, pcm = heard(dialect("/asterisk"), [start, encode(WAVE, Encoding.L16)])

    assert (told, pcm.tolist()) == (rate, WAVE.tolist())


@pytest.mark.parametrize(
    ("kind", "rate"),
    [(0x10, 8_000), (0x11, 12_000), (0x12, 16_000), (0x13, 24_000), (0x14, 32_000),
     (0x15, 44_100), (0x16, 48_000)],
)  # fmt: skip
def test_audiosocket_has_a_kind_for_each_rate(kind: int, rate: int) -> None:
    socket = AudioSocket(UUID(int=1), Request("/"))

    told, pcm = heard(socket, [bytes(Frame(kind, encode(WAVE, Encoding.L16)))])

    assert (told, pcm.tolist()) == (rate, WAVE.tolist())


@pytest.mark.parametrize(
    ("declared", "name", "rate"),
    [
        ("audio/x-l16;rate=16000", "l16", 16_000),
        ("audio/L16; rate=24000", "l16", 24_000),
        ("audio/l16;rate=8000;channels=1", "l16", 8_000),
        ("L16@16000h", "l16", 16_000),
        ("PCMU@8000h", "pcmu", 8_000),
        ("L16/16000", "l16", 16_000),
        ("raw/slin", "raw/slin", None),
        ("audio/x-mulaw", "mulaw", None),
        ("G722", "g722", None),
        ("AMR-WB", "amr-wb", None),
    ],
)
def test_spellings_of_an_encoding(declared: str, name: str, rate: int | None) -> None:
    assert encoding_of(declared) == (name, rate)


@pytest.mark.parametrize("name", ["telnyx", "signalwire"])
@pytest.mark.parametrize("level", [3, 3_000])
def test_the_byte_order_of_an_rtp_payload_is_detected(name: str, level: int) -> None:
    url, messages = LINEAR[name]
    wave = (level * np.sin(np.arange(800) / 9)).astype(np.int16)

    _, pcm = heard(dialect(url), messages(16_000, wave.astype(">i2").tobytes()))

    assert pcm.tolist() == wave.tolist()


def test_the_byte_order_is_known_as_soon_as_there_is_anything_but_silence() -> None:
    url, messages = LINEAR["telnyx"]
    bridge = dialect(url)
    start, silence = messages(16_000, bytes(640))
    _, speech = messages(16_000, WAVE.astype(">i2").tobytes())

    _, pcm = heard(bridge, [start, *[silence] * 40, *[speech] * 2])

    assert pcm.tolist()[-len(WAVE) :] == WAVE.tolist()


def test_exotel_frames_need_no_timestamps() -> None:
    url, messages = LINEAR["exotel raw"]
    bridge = dialect(url)
    start, media = messages(8_000, encode(WAVE, Encoding.L16))
    bare = json.loads(media)
    del bare["media"]["timestamp"]

    events = [
        event for message in (start, *[json.dumps(bare)] * 3) for event in bridge.receive(message)
    ]

    positions = [event.position for event in events if isinstance(event, AudioReceived)]
    assert positions == [0, 800, 1_600]


def test_exotels_rate_may_stand_in_its_url() -> None:
    start = {"call_sid": "c1", "media_format": {"encoding": "raw"}}

    (opened,) = dialect("/exotel?sample-rate=24000").receive(
        json.dumps({"event": "start", "start": start})
    )

    assert isinstance(opened, CallOpened)
    assert opened.rate == 24_000


@pytest.mark.parametrize("path", ["/telnyx", "/signalwire"])
@pytest.mark.parametrize("encoding", ["G722", "OPUS"])
def test_compressed_tracks_are_decoded_at_16_khz(path: str, encoding: str) -> None:
    pytest.importorskip("av")
    start: dict[str, object] = {"call_control_id": "c1", "callSid": "c1", "tracks": ["inbound"]}
    declared = {"encoding": encoding, "sample_rate": "8000", "sampleRate": "8000"}
    start |= {"media_format": declared, "mediaFormat": declared}  # RTP's clock rate of G.722
    packet = bytes(160) if encoding == "G722" else b"\xfc\xff\xfe"
    payload = base64.b64encode(packet).decode()
    media = {"track": "inbound", "timestamp": "0", "payload": payload}

    told, pcm = heard(
        dialect(path),
        [
            json.dumps({"event": "start", "start": start}),
            json.dumps({"event": "media", "media": media}),
        ],
    )

    assert told == 16_000
    assert len(pcm) > 0


def test_compressed_frames_follow_each_other_and_a_loss_has_its_place() -> None:
    pytest.importorskip("av")
    declared = {"encoding": "G722", "sample_rate": 8_000}
    start: dict[str, object] = {
        "call_control_id": "c1",
        "tracks": ["inbound"],
        "media_format": declared,
    }
    payload = base64.b64encode(bytes(160)).decode()  # 20 ms
    bridge = dialect("/telnyx")
    bridge.receive(json.dumps({"event": "start", "start": start}))

    events = [
        event
        for stamp in (0, 20, 40, 100, 120)
        for event in bridge.receive(
            json.dumps({"event": "media", "media": {"timestamp": stamp, "payload": payload}})
        )
    ]

    positions = [one.position for one in events if isinstance(one, EncodedAudioReceived)]
    assert positions == [None, None, None, 1_600, None]
