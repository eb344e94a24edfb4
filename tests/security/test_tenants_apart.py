"""A tenant cannot access the calls of another, for any choice of ids."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.credentials import Site, bearer, site, token
from support.pipeline import gateway
from support.waiting import PATIENCE
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from cli import keys
from protocol.calls.call import adapted_call_id
from streaming.settings import GatewaySettings


@pytest.fixture
def keyed(tmp_path: Path) -> Site:
    return site(tmp_path)


@pytest.fixture
async def url(redis: Redis, keyed: Site) -> AsyncIterator[str]:
    async with gateway(
        redis, GatewaySettings(keys_file=str(keyed.file), drain_seconds=0)
    ) as address:
        yield address


async def opened(url: str, key: str, **start: object) -> ClientConnection:
    """A native bridge whose call has begun."""
    bridge = await connect(f"{url}/v1/calls", additional_headers=bearer(key), compression=None)
    await bridge.send(json.dumps({"type": "start", **start}))
    return bridge


async def reader(url: str, key: str, call_id: str) -> ClientConnection:
    return await connect(f"{url}/v1/calls/{call_id}/events", additional_headers=bearer(key))


async def test_two_tenants_calls_of_the_same_name_never_meet(url: str, keyed: Site) -> None:
    ours = await opened(url, keyed.acme, call_id="c-1")
    theirs = await opened(url, keyed.globex, call_id="c-1")
    async with ours, theirs:
        listeners = [await reader(url, key, "c-1") for key in (keyed.acme_reader, keyed.globex)]

        await theirs.send(json.dumps({"type": "stop"}))
        heard = [json.loads(event) async for event in listeners[1]]
        await ours.send(json.dumps({"type": "keywords", "keywords": ["Alvarez"]}))
        await ours.send(json.dumps({"type": "stop"}))
        our_own = [json.loads(event) async for event in listeners[0]]

    assert "Alvarez" not in json.dumps(heard)
    assert {event["call_id"] for event in heard + our_own} == {"c-1"}
    assert "keywords.applied" in {event["type"] for event in our_own}


async def test_a_foreign_call_sounds_like_one_that_never_was(url: str, keyed: Site) -> None:
    async with await opened(url, keyed.acme, call_id="secret-call") as bridge:
        foreign = await reader(url, keyed.globex, "secret-call")
        unknown = await reader(url, keyed.globex, "no-such-call")

        await bridge.send(json.dumps({"type": "stop"}))
        own = await reader(url, keyed.acme_reader, "secret-call")
        events = [json.loads(event)["type"] async for event in own]

    assert events[-1] == "call.ended"
    for listener in (foreign, unknown):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await listener.recv()
        await listener.close()


@pytest.mark.parametrize(
    "call_id",
    [
        "acme/c-1", "/c-1", "../acme/c-1", "acme%2Fc-1", "acme%2fc-1", "..", ".", "c\n1", "c-1\n", "c 1", "\u0661",
        "c\u202e1", "\u0441-1", "c-1\x00", "{p0}", "*", "trunkline:{p0}:call:c-1", "c-1:log ",
    ],
)  # fmt: skip
async def test_an_id_with_other_signs_is_adapted_and_stays_with_its_tenant(
    url: str, keyed: Site, call_id: str
) -> None:
    async with (
        await opened(url, keyed.acme, call_id="c-1") as ours,
        await opened(url, keyed.globex, call_id=call_id) as theirs,
    ):
        started = json.loads(await theirs.recv())
        await theirs.send(json.dumps({"type": "keywords", "keywords": ["Alvarez"]}))
        await theirs.send(json.dumps({"type": "stop"}))
        await theirs.wait_closed()
        async with await reader(url, keyed.globex, started["call_id"]) as listener:
            read = [json.loads(event)["type"] async for event in listener]
        await ours.send(json.dumps({"type": "stop"}))
        async with await reader(url, keyed.acme_reader, "c-1") as listener:
            our_own = [event async for event in listener]

    assert (started["type"], started["bridge_call_id"]) == ("call.started", call_id)
    assert started["call_id"] == adapted_call_id(call_id)
    assert "keywords.applied" in read
    assert [json.loads(event)["call_id"] for event in our_own] == ["c-1", "c-1"]


@pytest.mark.parametrize(
    "path", ["/v1/calls/acme/c-1/events", "/v1/calls/acme%2Fc-1/events", "/v1/calls/../acme/events"]
)
async def test_a_tenant_is_no_part_of_a_listeners_url(url: str, keyed: Site, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(url + path, additional_headers=bearer(keyed.globex))

    assert refused.value.response.status_code in (401, 403, 404)


async def test_a_token_for_one_call_opens_no_other(url: str) -> None:
    bridge = await opened(url, token(call="c-1"), call_id="c-2")

    await bridge.wait_closed()

    assert bridge.close_code == 4400


async def test_a_revoked_key_loses_its_connections(url: str, keyed: Site) -> None:
    """Gateways look at the file every few seconds."""
    bridge = await opened(url, keyed.acme, call_id="c-1")
    other = await opened(url, keyed.globex, call_id="c-1")

    keys.revoke(keyed.file, keyed.acme.split("_")[1], now=0.0)
    async with asyncio.timeout(PATIENCE):
        await bridge.wait_closed()

    assert bridge.close_code == 4401
    await other.send(json.dumps({"type": "stop"}))
    await other.wait_closed()
    assert other.close_code == 1000
