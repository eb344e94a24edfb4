"""PubSubHub: one shared subscription for all followers of calls, also when they leave or the connection breaks."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError
from support.cancelling import assert_cancelled
from support.proxy import Proxy, proxied
from support.valkey import ValkeyServer
from support.waiting import PATIENCE

from broker.connections.connection import connect
from broker.event_log.pubsub import PubSubHub
from protocol.settings import RedisSettings


@pytest.fixture
async def line(valkey: ValkeyServer) -> AsyncIterator[Proxy]:
    async with proxied(valkey.socket) as proxy:
        yield proxy


async def come_and_go(pubsub_hub: PubSubHub, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(60):
        async with pubsub_hub.listen(f"trunkline:{dice.randrange(8)}"):
            await asyncio.sleep(dice.uniform(0, 0.005))


async def break_now_and_then(line: Proxy) -> None:
    while True:
        await asyncio.sleep(0.05)
        line.cut()


async def heard_in_the_end(pubsub_hub: PubSubHub, redis: Redis) -> bytes:
    async with pubsub_hub.listen("trunkline:last") as news:
        while news.empty():
            await redis.publish("trunkline:last", b"1 news")
        return await news.get()


@pytest.mark.parametrize("breaks", [False, True], ids=["steady", "breaking"])
async def test_listeners_connect_and_leave_and_events_still_arrive(
    line: Proxy, redis: Redis, breaks: bool
) -> None:
    behind_proxy = connect(RedisSettings(url=line.url))
    pubsub_hub = PubSubHub(behind_proxy)
    running = asyncio.ensure_future(pubsub_hub.run())
    breaking = asyncio.ensure_future(break_now_and_then(line) if breaks else asyncio.sleep(0))

    await asyncio.gather(*(come_and_go(pubsub_hub, seed) for seed in range(20)))
    breaking.cancel()
    async with asyncio.timeout(PATIENCE):
        heard = await heard_in_the_end(pubsub_hub, redis)
    died = running.done()
    running.cancel()
    await asyncio.gather(running, breaking, return_exceptions=True)
    with contextlib.suppress(RedisError):
        await behind_proxy.aclose()

    assert heard == b"1 news"
    assert not died


async def test_quiet_hours_between_calls_harm_nothing(redis: Redis) -> None:
    """The last listener leaves, and the connection is checked before the next one comes."""
    pubsub_hub = PubSubHub(redis)
    running = asyncio.ensure_future(pubsub_hub.run())

    for _ in range(50):
        assert await heard_in_the_end(pubsub_hub, redis) == b"1 news"

    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("turns", range(0, 60, 2))
async def test_it_can_be_cancelled_at_any_moment(redis: Redis, turns: int) -> None:
    """`turns` of the event loop after its beginning: while it connects, subscribes or waits."""
    await assert_cancelled(PubSubHub(redis).run(), turns)


class FailingServer:
    """A server whose subscription fails some turns of the event loop after `falls` was set."""

    def __init__(self, turns: int) -> None:
        self._turns = turns
        self.listens, self.falls = asyncio.Event(), asyncio.Event()

    def pubsub(self) -> "FailingServer":
        return self

    def register_script(self, _source: str) -> None:
        pass

    async def subscribe(self, *_names: str) -> None:
        pass

    async def get_message(self, **_options: float) -> None:
        self.listens.set()
        await self.falls.wait()
        for _ in range(self._turns):
            await asyncio.sleep(0)
        raise ConnectionError

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize("turns", range(6))
async def test_a_subscription_that_fails_while_it_is_cancelled_ends(turns: int) -> None:
    server = FailingServer(turns)
    hub = asyncio.ensure_future(PubSubHub(cast("Redis", server)).run())
    await server.listens.wait()

    server.falls.set()
    for _ in range(3):
        await asyncio.sleep(0)
    hub.cancel()
    done, _ = await asyncio.wait({hub}, timeout=30)

    assert done
    assert hub.cancelled()
