"""Server-sent events over real sockets: reading a call in a browser, and reconnecting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis
from support.endpoints import SentEvent, sent_events
from support.engines import LengthTeller
from support.http_client import http_client
from support.pipeline import calling, pipeline, stream
from support.ports import free_port
from support.valkey import ValkeyServer

from cli.recording import read_recording
from protocol.audio import Encoding, encode
from streaming.settings import GatewaySettings

PROMPT = Path(__file__).parents[2] / "speech" / "prompts" / "agent-alreadyon.wav"


@dataclass(frozen=True, slots=True)
class GatewayUrls:
    ws: str
    http: str

    def events(self, call_id: str, query: str = "") -> str:
        return f"{self.http}/v1/calls/{call_id}/events{query}"


@asynccontextmanager
async def gateway(redis: Redis, folder: Path) -> AsyncIterator[GatewayUrls]:
    http = free_port()
    settings = GatewaySettings(http_port=http, drain_seconds=0)
    async with pipeline(redis, folder, LengthTeller(), gateway=settings) as it:
        yield GatewayUrls(it.url, f"http://127.0.0.1:{http}")


async def call(endpoints: GatewayUrls, call_id: str) -> list[dict[str, object]]:
    """A call of one prompt, from start to end. Returns the events that its bridge received."""
    audio = encode(read_recording(PROMPT).channels[0], Encoding.MULAW)
    async with calling(endpoints.ws, call_id=call_id, channels=["customer"]) as (bridge, heard):
        await stream(bridge, audio, frame=160, pace=20)
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")
    return heard.events


async def read(url: str, headers: dict[str, str] | None = None) -> list[SentEvent]:
    return [sent async for sent in sent_events(url, headers)]


async def test_a_listener_that_connects_early_gets_the_same_events_as_the_bridge(
    redis: Redis, tmp_path: Path
) -> None:
    async with gateway(redis, tmp_path) as endpoints:
        reading = asyncio.create_task(read(endpoints.events("c1")))
        told = await call(endpoints, "c1")
        sent = await reading

    logged = [event for event in told if "seq" in event]
    assert [one.event for one in sent if one.seq] == logged
    assert [one.seq for one in sent if one.seq] == [event["seq"] for event in logged]
    assert all(one.event["type"] == "segment.partial" for one in sent if one.seq is None)


@pytest.mark.parametrize("how", ["last-event-id", "after"])
async def test_a_reader_that_comes_back_is_given_what_was_missed(
    redis: Redis, tmp_path: Path, how: str
) -> None:
    async with gateway(redis, tmp_path) as endpoints:
        await call(endpoints, "c1")
        everything = await read(endpoints.events("c1"))
        if how == "after":
            rest = await read(endpoints.events("c1", "?after=2"))
        else:
            rest = await read(endpoints.events("c1"), {"Last-Event-ID": "2"})

    assert rest == everything[2:]
    assert {one.event["role"] for one in rest if "role" in one.event} == {"customer"}


async def test_a_browser_that_has_received_the_end_must_not_reconnect(
    redis: Redis, tmp_path: Path
) -> None:
    async with gateway(redis, tmp_path) as endpoints, http_client() as client:
        told = await call(endpoints, "c1")
        last = str(told[-1]["seq"])
        answer = await client.get(endpoints.events("c1"), headers={"Last-Event-ID": last})

    assert answer.status_code == 204


async def test_answers_in_progress_end_when_the_gateway_stops(redis: Redis, tmp_path: Path) -> None:
    async with http_client() as client:
        async with gateway(redis, tmp_path) as endpoints:
            waiting = client.build_request("GET", endpoints.events("a-call-to-come"))
            answer = await client.send(waiting, stream=True)
        rest = await answer.aread()

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert rest == b""


async def test_without_redis_a_reader_is_asked_to_come_back(
    redis: Redis, tmp_path: Path, valkey: ValkeyServer
) -> None:
    async with gateway(redis, tmp_path) as endpoints, http_client() as client:
        valkey.kill()
        answer = await client.get(endpoints.events("c1"))
        valkey.start()

    assert answer.status_code == 503
    assert "retry-after" in answer.headers


async def test_the_events_that_exist_already_come_in_one_piece(
    redis: Redis, tmp_path: Path
) -> None:
    async with gateway(redis, tmp_path) as endpoints:
        told = await call(endpoints, "c1")
        address = httpx.URL(endpoints.http)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(b"GET /v1/calls/c1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        pieces = []
        while size := int(await reader.readline(), 16):  # chunked: RFC 9112, section 7.1
            pieces.append(await reader.readexactly(size))
            await reader.readline()
        writer.close()

    assert [piece.count(b"id: ") for piece in pieces] == [sum("seq" in event for event in told)]
