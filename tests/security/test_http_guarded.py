"""The HTTP port requires the same keys and separates tenants in the same way as the WebSocket port."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.credentials import Site, bearer, forged_keys, forged_tokens, site, token
from support.endpoints import sent_events
from support.http_client import http_client
from support.pipeline import gateway
from support.ports import free_port
from websockets.asyncio.client import connect

from streaming.settings import GatewaySettings

_PATHS = (
    "/v1/calls/c-1/events",
    "/v1/audiosocket/9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d",
    "/v1/listen",
)
_METHODS = ("GET", "PUT", "POST")


@pytest.fixture
def keyed(tmp_path: Path) -> Site:
    return site(tmp_path)


@pytest.fixture
async def endpoints(redis: Redis, keyed: Site) -> AsyncIterator[tuple[str, str]]:
    """WebSocket and HTTP."""
    port = free_port()
    settings = GatewaySettings(keys_file=str(keyed.file), http_port=port, drain_seconds=0)
    async with gateway(redis, settings) as url:
        yield url, f"http://127.0.0.1:{port}"


@pytest.mark.waits
async def test_strangers_get_nothing(endpoints: tuple[str, str], keyed: Site) -> None:
    shown = [{}, *(bearer(text) for text in (forged_keys(keyed) | forged_tokens()).values())]
    answers = []
    async with http_client(base_url=endpoints[1]) as client:
        for headers in shown:
            if len(str(headers)) < 4_000:
                answers += [await client.get(_PATHS[0], headers=headers)]
        for method, path in zip(_METHODS, _PATHS, strict=True):
            answers += [await client.request(method, path)]
        answers += [await client.get(f"{_PATHS[0]}?token={keyed.acme}")]
        answers += [await client.put(_PATHS[1], headers=bearer(keyed.acme_reader))]
        answers += [await client.get(_PATHS[0], headers=bearer(keyed.acme_bridge))]

    statuses = [answer.status_code for answer in answers]
    assert statuses[:-2] == [401] * (len(statuses) - 2)
    assert statuses[-2:] == [403, 403]
    assert len({answer.text for answer in answers[:-2]}) == 1


async def test_a_listener_reads_its_tenants_call_under_its_id_without_tenant(
    endpoints: tuple[str, str], keyed: Site
) -> None:
    url, http = endpoints
    for key in (keyed.acme, keyed.globex):
        async with connect(f"{url}/v1/calls", additional_headers=bearer(key)) as bridge:
            named = {"type": "start", "call_id": "c-1", "keywords": [key[3:13]]}
            await bridge.send(json.dumps(named))
            await bridge.send(json.dumps({"type": "stop"}))
            await bridge.wait_closed()

    heard = [
        one.event async for one in sent_events(f"{http}{_PATHS[0]}", bearer(keyed.acme_reader))
    ]
    in_url = [one.event async for one in sent_events(f"{http}{_PATHS[0]}?token={token()}")]

    assert heard == in_url
    assert {event["call_id"] for event in heard} == {"c-1"}
    assert heard[-1]["type"] == "call.ended"
    assert keyed.globex[3:13] not in json.dumps(heard)
