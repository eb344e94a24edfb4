"""Invalid and early messages of bridges, over real sockets: the calls continue."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from support.pipeline import calling, gateway, pipeline
from support.waiting import PATIENCE
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from protocol.dialects.base import Message, Request
from protocol.dialects.jambonz import Jambonz
from streaming.call.bad_messages import Tolerance
from streaming.session.bridge.bridge_session import Session
from streaming.session.calls.joined_call import CallHandle
from streaming.settings import GatewaySettings

FRAMES = 10
"""Early ones, of 20 ms each."""


def settings(**changed: object) -> GatewaySettings:
    return GatewaySettings.model_validate({"drain_seconds": 0, **changed})


@pytest.fixture
async def url(redis: Redis) -> AsyncIterator[str]:
    async with gateway(redis, settings()) as address:
        yield address


def encoded(sound: bytes) -> str:
    return base64.b64encode(sound).decode()


def hook(kind: str, seq: int, **parameters: Any) -> str:
    return json.dumps(
        {"version": "2", "type": kind, "seq": seq, "id": "s", "parameters": parameters}
    )


@dataclass(frozen=True, slots=True)
class SampleMessages:
    """The messages for the call `c-1` with keyword Acme; `sound` is a frame of 20 ms."""

    path: str
    opening: str
    sound: str | bytes
    end: str | bytes | None = None

    def media(self, number: int) -> str | bytes:
        return (
            self.sound.replace("STAMP", str(20 * number))
            if isinstance(self.sound, str)
            else self.sound
        )


def twilio_like(path: str, call_id: str, media_format: str, parameters: str) -> SampleMessages:
    start = {
        call_id: "c-1",
        media_format: {"encoding": "audio/x-mulaw"},
        parameters: {"keywords": "Acme"},
    }
    if path == "/telnyx":
        start[media_format] = {"encoding": "PCMU"}
    media = {"track": "inbound", "timestamp": "STAMP", "payload": encoded(b"\xff" * 160)}
    return SampleMessages(
        path,
        json.dumps({"event": "start", "start": start | {"tracks": ["inbound"]}}),
        json.dumps({"event": "media", "media": media}),
        '{"event":"stop","stop":{}}',
    )


BRIDGES = {
    "twilio": twilio_like("/twilio", "callSid", "mediaFormat", "customParameters"),
    "telnyx": twilio_like("/telnyx", "call_control_id", "media_format", "custom_parameters"),
    "exotel": twilio_like("/exotel", "call_sid", "media_format", "custom_parameters"),
    "asterisk": SampleMessages("/asterisk?callid=c-1&keywords=Acme", "MEDIA_START channel_id:1.2 format:ulaw", b"\xff" * 160),
    "vonage": SampleMessages(
        "/vonage",
        '{"event":"websocket:connected","content-type":"audio/l16;rate=8000","call_id":"c-1","keywords":"Acme"}',
        bytes(320),
    ),
    "jambonz": SampleMessages(
        "/jambonz", '{"type":"start","options":{"callSid":"c-1","hints":["Acme"]}}', bytes(320), '{"type":"stop"}'
    ),
    "freeswitch": SampleMessages("/freeswitch", '{"uuid":"c-1","keywords":"Acme"}', bytes(320), b""),
    "audiohook": SampleMessages(
        "/audiohook",
        hook(
            "open", 1, conversationId="c-1", participant={}, customConfig={"keywords": "Acme"},
            media=[{"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}],
        ),
        b"\xff" * 160,
        hook("close", 2),
    ),
    "native": SampleMessages(
        "/v1/calls", '{"type":"start","call_id":"c-1","keywords":["Acme"]}', b"\xff" * 160, '{"type":"stop"}'
    ),
    "native as JSON": SampleMessages(
        "/v1/calls",
        '{"type":"start","call_id":"c-1","keywords":["Acme"]}',
        json.dumps({"type": "audio", "payload": encoded(b"\xff" * 160)}),
        '{"type":"stop"}',
    ),
    "openai": SampleMessages(
        "/v1/realtime?call_id=c-1",
        '{"type":"session.update","session":{"audio":{"input":{"format":{"type":"audio/pcmu"},"transcription":{"keywords":["Acme"]}}}}}',
        json.dumps({"type": "input_audio_buffer.append", "audio": encoded(b"\xff" * 160)}),
    ),
}  # fmt: skip


async def log_of(url: str, call_id: str) -> list[dict[str, Any]]:
    async with connect(f"{url}/v1/calls/{call_id}/events") as listener, asyncio.timeout(PATIENCE):
        return [json.loads(event) async for event in listener]


async def drained(bridge: ClientConnection) -> None:
    async for _ in bridge:
        pass


async def play(url: str, bridge: SampleMessages, *messages: str | bytes) -> None:
    async with connect(url + bridge.path, compression=None) as socket:
        for message in messages:
            await socket.send(message)
        if bridge.end is None:
            await socket.close()
        else:
            await socket.send(bridge.end)
            await drained(socket)


@pytest.mark.parametrize("name", BRIDGES)
async def test_audio_before_the_opening_message_is_transcribed_in_the_call_that_it_names(
    url: str, name: str
) -> None:
    bridge = BRIDGES[name]
    early, late = (map(bridge.media, range(*span)) for span in ((0, FRAMES), (FRAMES, 2 * FRAMES)))

    await play(url, bridge, *early, bridge.opening, *late)
    log = await log_of(url, "c-1")

    assert [event["accepted"] for event in log if event["type"] == "keywords.applied"] == [["Acme"]]
    assert log[-1]["duration_ms"] == 2 * FRAMES * 20
    assert not [event for event in log if event["type"] in ("warning", "audio_gap")]


@pytest.mark.parametrize("path", ["/freeswitch?uuid=c-1", "/v1/realtime?call_id=c-1"])
async def test_an_opening_message_that_may_be_left_out_is_waited_for_no_longer_than_the_call(
    url: str, path: str
) -> None:
    name = "freeswitch" if "freeswitch" in path else "openai"
    sound = BRIDGES[name].media(0)

    async with connect(url + path) as socket:
        for _ in range(10 * FRAMES):  # and that was all
            await socket.send(sound)
    log = await log_of(url, "c-1")

    assert log[-1]["type"] == "call.ended"
    assert log[-1]["duration_ms"] > 0


BAD: Sequence[str | bytes] = (
    '{"cut',
    "",
    "null",
    '{"event":"media"}',
    '{"type":"audio","payload":"%"}',
)


@pytest.mark.parametrize("name", BRIDGES)
async def test_messages_that_cannot_be_understood_end_nothing(url: str, name: str) -> None:
    bridge = BRIDGES[name]
    sounds = [bridge.media(number) for number in range(FRAMES)]
    bad = [*BAD, bridge.opening]  # a second one

    await play(url, bridge, bridge.opening, *sounds[:5], *bad, *sounds[5:])
    log = await log_of(url, "c-1")

    assert log[-1]["duration_ms"] == FRAMES * 20
    warnings = [event for event in log if event["type"] == "warning"]
    assert len(warnings) <= 1  # to some bridges' applications any words may be said
    if name not in ("freeswitch", "asterisk"):
        assert warnings[0]["code"] == "bad_message"


@pytest.mark.parametrize("name", [name for name in BRIDGES if name != "freeswitch"])
async def test_garbage_alone_opens_nothing(url: str, name: str) -> None:
    async with connect(url + BRIDGES[name].path) as socket:
        await socket.send('{"cut')
        async with asyncio.timeout(PATIENCE):
            await drained_to_the_end(socket)

    assert socket.close_code == 4400


async def drained_to_the_end(socket: ClientConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        await drained(socket)


async def test_a_client_whose_url_is_refused_is_closed_before_it_says_anything(url: str) -> None:
    async with connect(f"{url}/v3/ws?encoding=opus") as socket:
        error = json.loads(await socket.recv())
        await socket.wait_closed()

    assert error["type"] == "Error"
    assert socket.close_code == 4400


async def test_ignored_options_are_reported_to_a_deepgram_client(url: str) -> None:
    async with connect(f"{url}/v1/listen?encoding=mulaw&sample_rate=8000") as socket:
        for message in (b"\xff" * 160, '{"type":', '{"type":"CloseStream"}'):
            await socket.send(message)
        heard = [json.loads(message) async for message in socket]

    assert [one["variant"] for one in heard if one["type"] == "Error"] == ["SchemaError"]
    assert heard[-1]["type"] == "Metadata"


async def test_garbage_before_the_opening_message_is_passed_over(url: str) -> None:
    bridge = BRIDGES["twilio"]

    await play(url, bridge, '{"cut', "", bridge.opening, bridge.media(0))

    assert (await log_of(url, "c-1"))[-1]["reason"] == "completed"


async def test_a_bridge_that_says_nothing_else_any_more_is_closed_and_its_words_are_kept(
    redis: Redis,
) -> None:
    async with gateway(redis, settings(max_bad_messages=4)) as url:
        async with calling(url, call_id="c-1") as (bridge, heard):
            for _ in range(3):  # a good one between them, and they are not in a row
                for bad in ("{", "{", "{"):
                    await bridge.send(bad)
                await bridge.send(b"\xff" * 160)
            for _ in range(4):
                await bridge.send("{")
            await bridge.wait_closed()
        log = await log_of(url, "c-1")

    assert bridge.close_code == 4400
    assert heard.events[-1]["code"] == "bad_message"
    assert (log[-1]["type"], log[-1]["duration_ms"]) == ("call.ended", 60)
    assert len([event for event in log if event["type"] == "warning"]) == 1


@pytest.mark.parametrize(
    "message",
    [
        '{"cut',
        '{"type":"hello"}',
        '{"type":"keywords","keywords":7}',
        '{"type":"start","call_id":"c-1","language":7}',
    ],
)
async def test_with_strict_messages_the_first_error_closes_the_connection(
    redis: Redis, message: str
) -> None:
    async with gateway(redis, settings(strict_messages=True)) as url:
        async with connect(f"{url}/v1/calls") as bridge:
            if "start" not in message:
                await bridge.send('{"type":"start"}')
            await bridge.send(message)
            async with asyncio.timeout(PATIENCE):
                await drained_to_the_end(bridge)

    assert bridge.close_code == 4400


async def test_what_is_ignored_is_counted(redis: Redis, tmp_path: Path) -> None:
    metrics = CollectorRegistry()
    async with pipeline(redis, tmp_path, None, metrics=metrics) as it:
        bridge = BRIDGES["native"]
        opening = '{"type":"start","call_id":"c-1","partials":"perhaps"}'
        await play(it.url, bridge, opening, "{", "{", "null", bridge.media(0))
        log = await log_of(it.url, "c-1")

    count = {
        code: metrics.get_sample_value(
            "trunkline_bridge_warnings_total", {"dialect": "native", "code": code}
        )
        for code in ("bad_message", "option_ignored")
    }
    assert count == {"bad_message": 3, "option_ignored": 1}
    assert [event["message"].split(":")[0] for event in log if event["type"] == "warning"] == [
        "partials was ignored",
        "a message was ignored",
    ]


class Abortable(asyncio.Transport):
    is_aborted = False

    def abort(self) -> None:
        self.is_aborted = True


class NeverClosing:
    """A bridge whose answer to a close follows data that the gateway does not read."""

    def __init__(self, *messages: str) -> None:
        self.messages = messages
        self.transport = Abortable()
        self.sent: list[Message] = []

    async def __aiter__(self) -> AsyncIterator[Message]:
        for message in self.messages:
            yield message

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def close(self, code: int, reason: str) -> None:
        await asyncio.Event().wait()


async def test_a_refused_bridge_that_does_not_answer_is_cut_off() -> None:
    socket = NeverClosing('{"type":"start","encoding":"MP3"}')

    async def begin(*_: object) -> CallHandle:
        raise AssertionError("nothing begins")

    session = Session(
        socket, Jambonz(Request("/jambonz")), begin,
        first_message=60, send_limit=60, hold=60, resume=60, tolerance=Tolerance(100, strict=False),
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE):
        await session.run()

    assert socket.transport.is_aborted
    assert [json.loads(message)["type"] for message in socket.sent] == ["error"]
