"""The heartbeat's thread, on a real Valkey, on a cluster, and behind sentinels."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.servers import cluster, watched_pair
from support.valkey import ValkeyServer
from support.waiting import until

from broker.connections.blocking_connection import connect_blocking
from broker.connections.connection import connect
from broker.redis_keys import CallKeys
from broker.redis_scripts.scripts import HEARTBEAT
from protocol.calls.call import CallConfig, Role
from protocol.settings import RedisSettings
from streaming.call.checkpoint import Checkpoint
from streaming.call_store import CallStore
from streaming.overload.gateway_load import LoopSample
from streaming.session.cpu_times import CpuTimes, thread_times
from streaming.session.heartbeat import Heartbeat, LoopWatch

CALL = CallKeys.of("c1", 4)
CHECKPOINT = Checkpoint((Role.MIXED,), "native", 0.0, CallConfig(), (0,))


@contextmanager
def alone(folder: Path) -> Iterator[str]:
    with ValkeyServer(folder / "valkey.sock") as server:
        yield server.url


@contextmanager
def many(folder: Path) -> Iterator[str]:
    with cluster(folder) as nodes:
        yield nodes.url


@contextmanager
def watched(folder: Path) -> Iterator[str]:
    with watched_pair(folder) as (url, _):
        yield url


async def is_beaten_for(redis: Redis) -> bool:
    return bool((await redis.zscore(CALL.partition.calls, "c1") or 0) > 1)


async def owned(redis: Redis, owner: str = "owner-a") -> CallStore:
    queue = CallStore(redis, CALL, owner)
    await queue.open("log-a", CHECKPOINT)
    return queue


async def forget(redis: Redis) -> None:
    """As if the last heartbeat was in 1970."""
    await redis.zadd(CALL.partition.calls, {"c1": 1})


@pytest.mark.parametrize("servers", [alone, many, watched])
async def test_the_heartbeat_of_a_call_reaches_each_kind_of_server(
    servers: Callable[[Path], AbstractContextManager[str]], tmp_path: Path
) -> None:
    with servers(tmp_path) as url:
        settings = RedisSettings(url=url)
        redis = connect(settings)
        queue = await owned(redis)
        await forget(redis)
        heartbeat = Heartbeat(
            lambda: connect_blocking(settings),
            lambda: [queue.ownership],
            LoopWatch(lambda _: None),
            limit=60,
        )
        with heartbeat.heartbeating():
            await until(lambda: is_beaten_for(redis))
        await redis.aclose()

    assert heartbeat.age_seconds < 60


@pytest.mark.parametrize(
    ("log", "owner", "count"),
    [("log-a", "owner-a", 1), ("log-b", "owner-a", 0), ("log-a", "owner-b", 0)],
)
async def test_a_heartbeat_without_ownership_changes_nothing(
    redis: Redis, valkey: ValkeyServer, log: str, owner: str, count: int
) -> None:
    await owned(redis)
    await forget(redis)

    with closing(connect_blocking(RedisSettings(url=valkey.url))) as client:
        counted = client.eval(
            HEARTBEAT.source, 2, CALL.partition.calls, CALL.meta, log, owner, "c1"
        )

    assert counted == count
    assert await is_beaten_for(redis) is bool(count)


async def test_a_loop_that_does_not_turn_any_more_is_not_beaten_for(
    redis: Redis, valkey: ValkeyServer
) -> None:
    """The watch is not run, and its clock says that an hour has gone by."""
    times = iter([0.0])
    watch = LoopWatch(lambda _: None, lambda: next(times, 3_600.0))
    queue = await owned(redis)
    heartbeat = Heartbeat(
        lambda: connect_blocking(RedisSettings(url=valkey.url)),
        lambda: [queue.ownership],
        watch,
        limit=45,
    )
    await forget(redis)
    with heartbeat.heartbeating():
        await until(lambda: asyncio.sleep(0, heartbeat.age_seconds > 2.5))

    assert not await is_beaten_for(redis)


def test_of_many_measurements_of_the_loop_four_a_second_count_for_the_load() -> None:
    now, told = [0.0], list[LoopSample]()
    watch = LoopWatch(told.append, lambda: now[0], lambda: CpuTimes(now[0] / 4, now[0] / 8))

    for step in range(100):
        now[0] += 0.02
        watch.observe(step / 1_000)

    assert len(told) == 7, "in two seconds, each after at least 0.25 s"
    assert [one.used for one in told] == pytest.approx([0] + 6 * [0.25])
    assert [one.waited for one in told] == pytest.approx([0] + 6 * [0.125])
    assert told[1].lag == pytest.approx(sum(range(13, 26)) / 13 / 1_000), "all of them count"
    assert watch.silent_seconds == 0
    now[0] += 3
    assert watch.silent_seconds == pytest.approx(3)


def test_the_cpu_times_of_a_thread_only_grow() -> None:
    before = after = thread_times()
    end = time.monotonic() + 60
    while after.used == before.used and time.monotonic() < end:
        sum(range(300_000))  # some kernels count at their next tick only
        after = thread_times()

    assert after.used > before.used
    assert after.waited >= before.waited >= 0
