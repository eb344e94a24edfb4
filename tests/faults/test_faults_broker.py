"""
A bad connection to Redis, or a bad Redis: section B of docs/reliability.md.

The whole pipeline, real speech, a real Valkey behind a proxy whose connection fails in the middle of a call.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import Listener, calling, pipeline, stream
from support.proxy import LineState, Proxy, proxied
from support.spoken_calls import AUDIO, assert_whole
from support.stored import stored_call
from support.valkey import ValkeyServer
from support.waiting import PATIENCE

from broker.connections.connection import connect
from broker.redis_keys import WORKERS, Partition
from protocol.settings import RedisSettings

HALF = len(AUDIO) // 2


@pytest.fixture
async def proxy(valkey: ValkeyServer) -> AsyncIterator[Proxy]:
    async with proxied(valkey.socket) as line:
        yield line


@asynccontextmanager
async def client_of(proxy: Proxy) -> AsyncIterator[Redis]:
    redis = connect(RedisSettings(url=proxy.url))
    yield redis
    await redis.aclose()


async def a_call(
    redis: Redis, folder: Path, spoil: Callable[[], object], mend: Callable[[], object]
) -> Listener:
    """A call whose second half begins after `spoil` and ends before `mend`. Returns all its events."""
    async with pipeline(redis, folder, LengthTeller()) as it:
        async with calling(it.url, call_id="c1") as (bridge, heard):
            await stream(bridge, AUDIO[:HALF], frame=160, pace=20)
            await heard.until("segment.final")
            spoil()
            await stream(bridge, AUDIO[HALF:], frame=160, pace=20)
            mend()
            await bridge.send('{"type":"stop"}')
            async with asyncio.timeout(PATIENCE):
                await heard.until("call.ended")
    return heard


async def test_b3_a_redis_that_cannot_be_reached_for_a_while_costs_nothing(
    proxy: Proxy, tmp_path: Path
) -> None:
    async with client_of(proxy) as redis:
        heard = await a_call(
            redis,
            tmp_path,
            lambda: proxy.become(LineState.REFUSING),
            lambda: proxy.become(LineState.GOOD),
        )

    assert_whole(heard)


async def test_b5_a_line_that_swallows_everything_is_noticed_and_given_up(
    proxy: Proxy, tmp_path: Path
) -> None:
    """No error comes from such a line: only the time limit for replies ends the wait."""
    async with client_of(proxy) as redis:
        heard = await a_call(
            redis,
            tmp_path,
            lambda: proxy.become(LineState.BLACK_HOLE),
            lambda: proxy.become(LineState.GOOD),
        )

    assert_whole(heard)


@pytest.mark.parametrize("script", [b"speech:", b"SETRANGE", b"0-"])
async def test_b6_a_write_whose_reply_was_lost_has_its_effect_once(
    proxy: Proxy, tmp_path: Path, script: bytes
) -> None:
    """The gateway cannot know whether it was done, and does it again."""

    def is_a_write(request: bytes, _: bytes) -> bool:
        return b"EVALSHA" in request and (script in request or script == b"SETRANGE")

    async with client_of(proxy) as redis:
        heard = await a_call(redis, tmp_path, lambda: proxy.lose_reply(is_a_write), lambda: None)

    assert proxy.lost == 1
    assert_whole(heard)


async def test_b7_jobs_whose_delivery_was_lost_are_found_again(
    proxy: Proxy, tmp_path: Path
) -> None:
    """Redis counts them as delivered to a worker that has never seen them."""

    def is_a_delivery(request: bytes, reply: bytes) -> bool:
        return b"XREADGROUP" in request and WORKERS.encode() in request and len(reply) > 100

    async with client_of(proxy) as redis:
        heard = await a_call(redis, tmp_path, lambda: proxy.lose_reply(is_a_delivery), lambda: None)

    assert proxy.lost == 1
    assert_whole(heard)


async def test_b8_calls_end_as_they_should_in_a_redis_that_is_full(
    redis: Redis, tmp_path: Path
) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, call_id="c1") as (bridge, heard):
            await stream(bridge, AUDIO[:HALF], frame=160, pace=20)
            await heard.until("segment.final")
            await redis.config_set("maxmemory", "1mb")
            await stream(bridge, AUDIO[HALF:], frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            async with asyncio.timeout(PATIENCE):
                await heard.until("call.ended")
        await stored_call(it.store, "c1")

    assert_whole(heard)


async def test_b10_groups_that_were_deleted_are_made_again(redis: Redis, tmp_path: Path) -> None:
    job_streams = [Partition(0).finals_in("en-en"), Partition(0).partials_in("en-en")]
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, call_id="c1") as (bridge, heard):
            await stream(bridge, AUDIO[:HALF], frame=160, pace=20)
            await heard.until("segment.final")
            for job_stream in job_streams:
                await redis.xgroup_destroy(job_stream, WORKERS)
            await stream(bridge, AUDIO[HALF:], frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            async with asyncio.timeout(PATIENCE):
                await heard.until("call.ended")

    assert_whole(heard)


async def test_b15_a_slow_line_makes_finals_late_and_nothing_else(
    proxy: Proxy, tmp_path: Path
) -> None:
    def slow() -> None:
        proxy.latency = 0.2

    async with client_of(proxy) as redis:
        heard = await a_call(redis, tmp_path, slow, lambda: None)

    assert_whole(heard)


async def test_b20_a_pool_that_is_too_small_is_waited_for_or_refused_but_locks_nothing(
    valkey: ValkeyServer, tmp_path: Path
) -> None:
    redis = connect(RedisSettings(url=valkey.url), connections=12)
    async with pipeline(redis, tmp_path, LengthTeller()) as it:

        async def one(number: int) -> Listener:
            async with calling(it.url, call_id=f"c{number}", partials=False) as (bridge, heard):
                await stream(bridge, AUDIO[:HALF], frame=160, pace=10)
                await bridge.send('{"type":"stop"}')
                await heard.until("call.ended")
                return heard

        async with asyncio.timeout(PATIENCE):
            calls = await asyncio.gather(*(one(number) for number in range(10)))
    await redis.aclose()

    assert all(len(heard.of("segment.final")) == heard.events[-1]["segments"] for heard in calls)
