"""
Peers that read one byte a second: C22 of docs/reliability.md.

Every byte is progress, so only a limit per message notices them.
"""

import asyncio
import contextlib
import itertools
import json
import socket
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs
from support.engines import LengthTeller
from support.pipeline import Listener, gateway, pipeline
from support.ports import free_port
from support.spoken_calls import AUDIO
from support.stored import stored_call
from support.waiting import PATIENCE, until_true
from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.uri import parse_uri

from broker.redis_keys import CallKeys
from protocol.calls.call import CallConfig, Role
from protocol.events import CallEnded, ChannelTotals, Final, SegmentId, Span, Timing, Word
from protocol.events.event_codec import encode_event
from streaming.call.checkpoint import Checkpoint
from streaming.call.ledger import LogEvent
from streaming.call_store import CallStore
from streaming.settings import GatewaySettings

SEGMENTS = 300
WORDS = tuple(Word("x" * 50) for _ in range(1_000))
"""Of each segment: 300 events of 60 KB are more than the buffers of any system hold for one connection."""

WEBSOCKET = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


async def long_call(redis: Redis) -> None:
    """A call with a log of 18 MB, which has ended."""
    call = CallStore(redis, CallKeys.of("c1", 1), "owner")
    await call.open("log-a", Checkpoint((Role.MIXED,), "native", 0.0, CallConfig(), (0,)))
    for number in range(SEGMENTS):
        one = Final(SegmentId(0, number), Span(0, 8), WORDS, "en", 0, (), "engine", Timing(0, 0))
        await call.perform([LogEvent(f"0-{number}", encode_event(one))])
    ended = CallEnded("completed", 8, SEGMENTS, (ChannelTotals(transcribed=8),))
    await call.perform([LogEvent("ended", encode_event(ended))])


def asked(port: int, path: str, headers: str = "") -> socket.socket:
    """A connection whose request is sent and whose answer is not read, with a small buffer."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    raw.connect(("127.0.0.1", port))
    raw.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode())
    raw.setblocking(False)
    return raw


async def byte_by_byte(raw: socket.socket) -> None:
    """Read a byte a second, for as long as there are any."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        for _ in iter(lambda: False, True):
            if not await loop.sock_recv(raw, 1):
                return
            await asyncio.sleep(1)


async def rest_of(raw: socket.socket) -> bytes:
    """Return the data that was sent until the other side closed the connection, read as fast as it arrives."""
    loop, sent = asyncio.get_running_loop(), bytearray()
    with contextlib.suppress(ConnectionError):
        while data := await loop.sock_recv(raw, 65_536):
            sent += data
    return bytes(sent)


@asynccontextmanager
async def reading_slowly(raw: socket.socket) -> AsyncIterator[None]:
    reading = asyncio.ensure_future(byte_by_byte(raw))
    try:
        yield
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def until_logged(logs: list[MutableMapping[str, Any]], event: str) -> None:
    await until_true(lambda: any(line["event"] == event for line in logs))


@pytest.mark.parametrize("kind", ["websocket", "server-sent events"])
async def test_c22_a_listener_that_reads_a_byte_a_second_is_cut_off_and_others_are_not(
    redis: Redis, kind: str
) -> None:
    await long_call(redis)
    settings = GatewaySettings(drain_seconds=0, send_seconds=1, http_port=free_port())
    with capture_logs() as logs:
        async with gateway(redis, settings) as url:
            is_websocket = kind == "websocket"
            port = int(url.rpartition(":")[2]) if is_websocket else settings.http_port or 0
            path, headers = "/v1/calls/c1/events", WEBSOCKET if is_websocket else ""
            with asked(port, path, headers) as raw:
                async with reading_slowly(raw):
                    await until_logged(logs, "listener_does_not_read")
                    other = Listener()
                    async with connect(f"{url}{path}", max_size=None) as listener:
                        await other.listen(listener)
                async with asyncio.timeout(PATIENCE):
                    sent = await rest_of(raw)

    assert b"segment.final" in sent
    assert b"call.ended" not in sent
    assert [event["seq"] for event in other.events] == list(range(1, SEGMENTS + 2))


def messages(call_id: str) -> Iterator[bytes]:
    """Messages of a native bridge that never hangs up: each list of keywords has an answer of its size."""
    frames = ClientProtocol(parse_uri("ws://127.0.0.1"), state=State.OPEN)
    frames.send_text(json.dumps({"type": "start", "call_id": call_id}).encode())
    for at in range(0, len(AUDIO), 160):
        frames.send_binary(AUDIO[at : at + 160])
    yield b"".join(frames.data_to_send())
    for number in itertools.count():
        terms = [f"Term{number} Number{place} {'x' * 50}" for place in range(400)]
        frames.send_text(json.dumps({"type": "keywords", "keywords": terms}).encode())
        yield b"".join(frames.data_to_send())


async def speak(raw: socket.socket, call_id: str) -> None:
    """For as long as the other side takes it."""
    with contextlib.suppress(ConnectionError):
        for message in messages(call_id):
            await asyncio.get_running_loop().sock_sendall(raw, message)
            await asyncio.sleep(0)


async def test_c22_a_bridge_that_reads_a_byte_a_second_is_cut_off_and_its_words_are_stored(
    redis: Redis, tmp_path: Path
) -> None:
    settings = GatewaySettings(drain_seconds=0, send_seconds=0.5, resume_seconds=6)
    with capture_logs() as logs:
        async with pipeline(redis, tmp_path, LengthTeller(), gateway=settings) as it:
            with asked(int(it.url.rpartition(":")[2]), "/v1/calls", WEBSOCKET) as raw:
                async with reading_slowly(raw):
                    speaking = asyncio.ensure_future(speak(raw, "c1"))
                    await until_logged(logs, "peer_does_not_read")
                    stored = await stored_call(it.store, "c1")
                    await speaking

    assert stored.call.ended_reason == "hangup"
    assert len(stored.segments) > 2
