"""
Limits of a connection and the errors that report them: rates, slow handshakes, endless fragments, cancelled
commands.
"""

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.credentials import bearer, site
from support.pipeline import calling, gateway
from support.waiting import PATIENCE
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streaming.settings import GatewaySettings

READS = int(os.environ.get("TRUNKLINE_TEST_READS", "5000"))


def settings(**changed: object) -> GatewaySettings:
    return GatewaySettings.model_validate({"drain_seconds": 0, **changed})


@pytest.fixture
async def url(redis: Redis) -> AsyncIterator[str]:
    async with gateway(redis, settings(first_message_seconds=1)) as address:
        yield address


def parts(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("ws://").partition(":")
    return host, int(port)


# Limits are reported in-band, then by the close code


async def test_a_client_that_sends_too_fast_gets_an_error_and_its_audio_so_far_is_kept(
    redis: Redis,
) -> None:
    hasty = settings(audio_pace=1.25, audio_burst_seconds=2)
    async with (
        gateway(redis, hasty) as url,
        calling(url, call_id="c-1", channels=1) as (bridge, heard),
    ):
        for _ in range(500):
            await bridge.send(bytes(160))
        await bridge.wait_closed()

        async with connect(f"{url}/v1/calls/c-1/events") as listener:
            log = [json.loads(event) async for event in listener]

    assert heard.of("error")[-1]["code"] == "too_fast"
    assert bridge.close_code == 4429
    assert (log[-1]["type"], log[-1]["reason"]) == ("call.ended", "too_fast")


async def test_a_call_without_audio_is_closed(redis: Redis) -> None:
    async with gateway(redis, settings(first_audio_seconds=1)) as url:
        async with calling(url, channels=1) as (bridge, heard):
            await bridge.wait_closed()

    assert heard.of("error")[-1]["code"] == "no_audio"
    assert bridge.close_code == 4408


async def test_a_tenant_has_as_many_calls_as_it_may_and_another_is_not_touched(
    redis: Redis, tmp_path: Path
) -> None:
    keyed = site(tmp_path)
    async with gateway(redis, settings(keys_file=str(keyed.file), calls_per_tenant=1)) as url:
        async with connect(f"{url}/v1/calls", additional_headers=bearer(keyed.acme)):
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{url}/v1/calls", additional_headers=bearer(keyed.acme_bridge))
            async with connect(f"{url}/v1/calls", additional_headers=bearer(keyed.globex)):
                pass

    assert refused.value.response.status_code == 429
    assert "Retry-After" in refused.value.response.headers


# Slow, endless and huge


async def test_a_message_that_is_too_long_closes_its_connection_only(url: str) -> None:
    async with calling(url, call_id="other", channels=1) as (other, heard):
        async with connect(f"{url}/v1/calls", compression=None) as bridge:
            await bridge.send("x" * 1_100_000)
            await bridge.wait_closed()
        await other.send(json.dumps({"type": "stop"}))
        await other.wait_closed()

    assert bridge.close_code == 1009
    assert heard.events[-1]["type"] == "call.ended"


@pytest.mark.waits
async def test_fragments_without_end_are_cut_off(url: str) -> None:
    async def fragments() -> AsyncIterator[str]:
        while True:
            yield "x" * 10

    async with connect(f"{url}/v1/calls", compression=None) as bridge:
        with pytest.raises(ConnectionClosed):
            await bridge.send(fragments())

    assert bridge.close_code in (1009, 4408)


async def test_handshakes_that_never_end_are_closed_and_others_are_served_meanwhile(
    url: str,
) -> None:
    slow = [await asyncio.open_connection(*parts(url)) for _ in range(50)]
    for _, writer in slow:
        writer.write(b"GET /v1/calls HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        await writer.drain()

    async with calling(url, channels=1) as (bridge, heard):
        await bridge.send(json.dumps({"type": "stop"}))
        await bridge.wait_closed()
    async with asyncio.timeout(PATIENCE):
        leftovers = [await reader.read() for reader, _ in slow]

    assert heard.events[-1]["type"] == "call.ended"
    assert all(b"101" not in rest for rest in leftovers)
    for _, writer in slow:
        writer.close()


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /v1/calls HTTP/1.1\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /v1/calls HTTP/1.1\r\n" + b"X-Many: x\r\n" * 500 + b"\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /v1/calls HTTP/1.1\r\nContent-Length: 9999999999\r\n\r\n",
        b"GET /v1/calls HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\x00" * 1_000,
        b"\r\n" * 1_000,
    ],
)
async def test_what_is_no_handshake_gets_no_connection(url: str, request_line: bytes) -> None:
    reader, writer = await asyncio.open_connection(*parts(url))
    writer.write(request_line)
    async with asyncio.timeout(PATIENCE):
        try:
            answer = await reader.read()
        except ConnectionError:
            answer = b""
    writer.close()

    assert not answer.startswith(b"HTTP/1.1 101")


# Redis


async def test_cancelled_commands_never_cross_replies(redis: Redis) -> None:
    """As they once did elsewhere: https://openai.com/index/march-20-chatgpt-outage/"""
    tenants = [f"tenant-{number}" for number in range(20)]
    for tenant in tenants:
        await redis.set(f"probe:{tenant}", tenant * 50)
    dice, crossed, cancelled = random.Random(1), 0, 0

    async def read(tenant: str) -> bool:
        said = await redis.get(f"probe:{tenant}")
        return bool(said == (tenant * 50).encode())

    for _ in range(READS // 50):
        reads = [asyncio.ensure_future(read(dice.choice(tenants))) for _ in range(50)]
        for _ in range(dice.randrange(8)):
            await asyncio.sleep(0)  # some are about to write, some wait for their reply
        for one in dice.sample(reads, 10):
            one.cancel()
        for outcome in await asyncio.gather(*reads, return_exceptions=True):
            cancelled += isinstance(outcome, asyncio.CancelledError)
            crossed += outcome is False

    assert cancelled > 0
    assert crossed == 0
