"""Subscribers that reconnect: their last position is enough to continue."""

import asyncio
from pathlib import Path

import numpy as np
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import Event, Listener, calling, gateway, pipeline
from support.waiting import PATIENCE
from websockets.asyncio.client import connect

from protocol.audio import Encoding, encode


async def events_behind(url: str, seq: int) -> list[Event]:
    """All events for a listener that has seen events up to `seq`, until the gateway closes."""
    heard = Listener()
    async with (
        asyncio.timeout(PATIENCE),
        connect(f"{url}/v1/calls/c1/events?after={seq}") as socket,
    ):
        await heard.listen(socket)
    return heard.events


async def call_with_keys(url: str) -> list[Event]:
    async with calling(url, call_id="c1", channels=["agent", "customer"]) as (bridge, heard):
        await bridge.send(encode(np.zeros(320, np.int16), Encoding.MULAW))
        await bridge.send('{"type":"dtmf","channel":1,"digit":"5"}')
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")
    return heard.events


async def test_roles_are_known_after_a_reconnection(redis: Redis, tmp_path: Path) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        told = await call_with_keys(it.url)
        missed = await events_behind(it.url, 1)

    assert missed == [event for event in told if event.get("seq", 0) > 1]
    assert [event["role"] for event in missed if event["type"] == "dtmf"] == ["customer"]


async def test_behind_the_end_there_is_nothing_to_wait_for(redis: Redis, tmp_path: Path) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        told = await call_with_keys(it.url)
        missed = await events_behind(it.url, told[-1]["seq"])

    assert missed == []


async def test_a_subscriber_ahead_of_the_log_is_notified_of_the_new_log(
    redis: Redis, tmp_path: Path
) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        told = await call_with_keys(it.url)
        again = await events_behind(it.url, 1_000)

    assert again[0]["type"] == "log.replaced"
    assert again[1:] == told


async def test_a_subscriber_is_notified_of_a_new_log_and_gets_all_of_it(
    redis: Redis, tmp_path: Path
) -> None:
    """The gateway of a call and Redis died together: its bridge reconnects to a call that Redis does not know."""
    listener = Listener()
    async with pipeline(redis, tmp_path, LengthTeller()) as it, gateway(redis) as other:
        async with calling(other, call_id="c1") as (_, heard):
            await heard.until("call.started")
            async with connect(f"{it.url}/v1/calls/c1/events") as socket:
                listening = asyncio.ensure_future(listener.listen(socket))
                first = await listener.until("call.started")
                await redis.flushall()
                told = await call_with_keys(it.url)
                async with asyncio.timeout(PATIENCE):
                    await listening

    assert listener.events == [first, {**listener.of("log.replaced")[0]}, *told]
