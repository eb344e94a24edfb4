"""What the generator sends is what a bridge of the dialect sends, and it understands the gateway."""

from urllib.parse import parse_qsl

import pytest

from cli.bench.load_generator.traffic import (
    TRAFFIC,
    CallRefused,
    Degraded,
    Ended,
    FinalReceived,
    PartialReceived,
    Pong,
    ServerMessage,
    TextMissing,
    read_event,
)
from cli.bench.load_generator.websocket_client import BINARY, AddressError, Server
from protocol.audio import Encoding, decode
from protocol.bridge_events import AudioReceived, BridgeEvent, CallClosed, CallOpened
from protocol.dialects import registry
from protocol.dialects.base import Request

AGENT, CUSTOMER = bytes(range(160)), bytes(reversed(range(160)))


def messages(frames: bytes) -> list[str | bytes]:
    """The messages in a client's frames (RFC 6455), which have a mask of zeros."""
    found: list[str | bytes] = []
    while frames:
        size, start = frames[1] & 127, 2
        if size == 126:
            size, start = int.from_bytes(frames[2:4]), 4
        assert frames[1] & 0x80
        assert frames[start : start + 4] == bytes(4)
        payload = frames[start + 4 : start + 4 + size]
        found.append(payload if frames[0] & 15 == BINARY else payload.decode())
        frames = frames[start + 4 + size :]
    return found


@pytest.mark.parametrize("name", TRAFFIC)
def test_a_gateway_hears_both_channels_of_each_frame(name: str) -> None:
    traffic = TRAFFIC[name]
    path, _, query = traffic.path.partition("?")
    dialect = registry.open_dialect(Request(path, tuple(parse_qsl(query)), ()))

    sent = traffic.opening("call-1") + traffic.encode(0, AGENT, CUSTOMER)
    sent += traffic.encode(1, CUSTOMER, AGENT) + traffic.closing
    events: list[BridgeEvent] = [
        event for message in messages(sent) for event in dialect.receive(message)
    ]

    opened, *heard, closed = events
    assert isinstance(opened, CallOpened)
    assert len(opened.roles) == 2
    assert isinstance(closed, CallClosed)
    said: dict[int, bytes] = {0: b"", 1: b""}
    for event in heard:
        assert isinstance(event, AudioReceived)
        said[event.channel] += event.pcm.tobytes()
    pair = {
        decode(one + other, Encoding.MULAW).tobytes()
        for one, other in ((AGENT, CUSTOMER), (CUSTOMER, AGENT))
    }
    assert set(said.values()) == pair


@pytest.mark.parametrize(
    ("payload", "reply"),
    [
        (b'{"type":"pong"}', Pong()),
        (b'{"type":"segment.partial","end_ms":1200}', PartialReceived(1200)),
        (
            b'{"type":"segment.final","end_ms":900,"latency":{"queue_ms":7,"engine_ms":40}}',
            FinalReceived(900, 42),
        ),
        (b'{"type":"segment.final","end_ms":900}', FinalReceived(900)),
        (b'{"type":"segment.dropped","reason":"lost"}', TextMissing("lost")),
        (b'{"type":"degraded","level":"no_partials"}', Degraded("no_partials")),
        (b'{"type":"error","code":"overloaded","message":"try again"}', CallRefused("try again")),
        (
            b'{"type":"call.ended","reason":"completed","channels":[{"silence_ms":20,"transcribed_ms":40}]}',
            Ended("completed", 60),
        ),
        (b'{"type":"dtmf","digit":"1"}', None),
        (b"no JSON", None),
    ],
)
def test_events_are_understood(payload: bytes, reply: ServerMessage | None) -> None:
    assert read_event(payload) == reply


@pytest.mark.parametrize("url", ["wss://example.com", "example.com:80", "ws://"])
def test_an_address_that_cannot_be_benched_is_refused(url: str) -> None:
    with pytest.raises(AddressError, match="ws://HOST:PORT"):
        Server.of(url)
