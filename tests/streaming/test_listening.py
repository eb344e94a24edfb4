"""Listeners that come back: they know where they were, and that is enough."""

import asyncio
from pathlib import Path

import numpy as np
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.ring import Event, Listener, calling, ring
from websockets.asyncio.client import connect

from protocol.audio import Encoding, encode


async def events_behind(url: str, seq: int) -> list[Event]:
    """All that a listener is told that has seen events up to `seq`, until the gateway closes."""
    heard = Listener()
    async with asyncio.timeout(30), connect(f"{url}/v1/calls/c1/events?after={seq}") as socket:
        await heard.listen(socket)
    return heard.events


async def call_with_keys(url: str) -> list[Event]:
    async with calling(url, call_id="c1", channels=["agent", "customer"]) as (bridge, heard):
        await bridge.send(encode(np.zeros(320, np.int16), Encoding.MULAW))
        await bridge.send('{"type":"dtmf","channel":1,"digit":"5"}')
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")
    return heard.events


async def test_roles_are_known_to_whoever_comes_back(redis: Redis, tmp_path: Path) -> None:
    async with ring(redis, tmp_path, LengthTeller()) as it:
        told = await call_with_keys(it.url)
        missed = await events_behind(it.url, 1)

    assert missed == [event for event in told if event.get("seq", 0) > 1]
    assert [event["role"] for event in missed if event["type"] == "dtmf"] == ["customer"]


async def test_behind_the_end_there_is_nothing_to_wait_for(redis: Redis, tmp_path: Path) -> None:
    async with ring(redis, tmp_path, LengthTeller()) as it:
        told = await call_with_keys(it.url)
        missed = await events_behind(it.url, told[-1]["seq"])

    assert missed == []
