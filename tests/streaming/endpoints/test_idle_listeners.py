"""The cost of idle subscribers, counted in Redis commands, not in time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.credentials import bearer, site
from support.engines import LengthTeller
from support.pipeline import calling, gateway, pipeline
from support.waiting import PATIENCE, until
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from broker.event_log.log_reader import LogReader
from broker.event_log.pubsub import PubSubHub
from broker.redis_keys import CallKeys
from protocol.events import LogEntry
from streaming.settings import GatewaySettings

LISTENERS, CALLS = 1_000, 250


async def calls_of(redis: Redis, command: str) -> int:
    """How often Redis was asked for this, inside scripts too."""
    return int((await redis.info("commandstats")).get(f"cmdstat_{command}", {"calls": 0})["calls"])


async def next_of(entries: AsyncIterator[LogEntry]) -> LogEntry:
    return await anext(entries)


async def test_a_thousand_listeners_that_wait_cost_one_command(redis: Redis) -> None:
    pubsub_hub = PubSubHub(redis)
    receiving = asyncio.create_task(pubsub_hub.run())
    log_readers = [
        LogReader(redis, pubsub_hub, CallKeys.of(f"c-{number % CALLS}", 1), 0)
        for number in range(LISTENERS)
    ]
    waiting = [asyncio.create_task(next_of(one.entries())) for one in log_readers]

    async def have_read() -> bool:
        return await calls_of(redis, "xrange") >= LISTENERS

    await until(have_read)

    await pubsub_hub.check()  # the first one loads the script
    before = await calls_of(redis, "evalsha")
    await pubsub_hub.check()
    scripts = await calls_of(redis, "evalsha") - before
    reads = await calls_of(redis, "xrange")
    for task in (receiving, *waiting):
        task.cancel()
    await asyncio.gather(receiving, *waiting, return_exceptions=True)

    assert 1 <= scripts <= 2  # its own check, every five seconds, may fall between
    assert reads == LISTENERS


async def test_events_whose_notification_was_lost_are_read(redis: Redis, tmp_path: Path) -> None:
    """Without a subscription, so that only the periodic check can find the event."""
    pubsub_hub = PubSubHub(redis)
    log_reader = LogReader(redis, pubsub_hub, CallKeys.of("c-1", 1), 0).entries()
    first = asyncio.create_task(next_of(log_reader))
    await asyncio.sleep(0)  # it listens

    async with (
        pipeline(redis, tmp_path, LengthTeller()) as it,
        calling(it.url, call_id="c-1", channels=1) as (_, heard),
    ):
        await heard.until("call.started")
        await pubsub_hub.check()
        entry = await asyncio.wait_for(first, PATIENCE)

    assert entry.seq == 1


async def accepted(url: str, key: str) -> ClientConnection:
    """Connect as soon as the gateway has seen that an earlier connection of the key was closed."""

    async def tried() -> ClientConnection | None:
        try:
            return await connect(url, additional_headers=bearer(key))
        except InvalidStatus as refused:
            assert refused.response.status_code == 429
            return None

    return await until(tried)


async def test_a_key_has_as_many_listeners_as_it_may_and_others_are_not_touched(
    redis: Redis, tmp_path: Path
) -> None:
    keyed = site(tmp_path)
    settings = GatewaySettings(
        keys_file=str(keyed.file), listeners_per_key=1, listeners_per_tenant=2, drain_seconds=0
    )

    async def status(url: str, key: str) -> int:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{url}/v1/calls/c-1/events", additional_headers=bearer(key))
        return refused.value.response.status_code

    async with gateway(redis, settings) as url:
        events = f"{url}/v1/calls/c-1/events"
        async with (
            connect(events, additional_headers=bearer(keyed.acme_reader)),
            connect(events, additional_headers=bearer(keyed.acme)),
        ):
            of_key = await status(url, keyed.acme_reader)
            async with connect(events, additional_headers=bearer(keyed.globex)):
                pass
            bridge = connect(f"{url}/v1/calls", additional_headers=bearer(keyed.acme_bridge))
            async with bridge:
                pass
        async with await accepted(events, keyed.acme_reader):
            pass

    assert of_key == 429
