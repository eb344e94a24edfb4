"""The pipeline on several Redis servers: a cluster, and a failover by sentinels."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError
from support.engines import LengthTeller
from support.pipeline import Event, calling, pipeline, stream
from support.servers import cluster, watched_pair
from support.waiting import PATIENCE

from broker.connections.connection import UnusableRedisError, check, connect
from broker.event_log.log_positions import LogPosition, LogPositions
from broker.queries import fleet, orphaned, probe, server_time
from broker.redis_keys import CallKeys, Partition
from cli.recording import read_recording
from protocol.audio import Encoding, encode
from protocol.settings import RedisSettings

PROMPTS = sorted((Path(__file__).parent / "speech" / "prompts").glob("*.wav"))
PAUSE = np.zeros(8_000, dtype=np.int16)
AUDIO = encode(
    np.concatenate(
        [part for path in PROMPTS[:3] for part in (read_recording(path).channels[0], PAUSE)]
    ),
    Encoding.MULAW,
)


@pytest.fixture(scope="module")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with cluster(tmp_path_factory.mktemp("cluster")) as nodes:
        yield nodes.url


async def test_calls_are_spread_over_the_nodes_of_a_cluster(
    cluster_url: str, tmp_path: Path
) -> None:
    redis = connect(RedisSettings(url=cluster_url))
    shares = 8
    calls = ["c1", "c2", "c3", "c4"]

    await check(redis, cluster_url)
    async with pipeline(redis, tmp_path, LengthTeller(), shares=shares) as it:

        async def one(call_id: str) -> tuple[int, int]:
            async with calling(it.url, call_id=call_id) as (bridge, heard):
                await stream(bridge, AUDIO, frame=160, pace=20)
                await bridge.send('{"type":"stop"}')
                last = await heard.until("call.ended")
                return last["segments"], len(heard.of("segment.final"))

        async with asyncio.timeout(PATIENCE):
            counted = await asyncio.gather(*(one(call_id) for call_id in calls))
    partitions = {CallKeys.of(call_id, shares).partition for call_id in calls}
    await redis.aclose()

    assert len(partitions) > 1
    assert len(set(counted)) == 1
    assert counted[0][0] == counted[0][1] > 1


async def test_scripts_are_called_on_a_cluster_as_on_one_server(cluster_url: str) -> None:
    """A gateway once died two seconds after its start, because a script without arguments could not be called."""
    redis = connect(RedisSettings(url=cluster_url))
    call = CallKeys(Partition(0), "scripts")
    await redis.hset(call.meta, mapping={"log": "log-a", "seq": 3})

    probes = [await probe(redis, Partition(number)) for number in range(8)]
    positions = await LogPositions(redis).read([call.meta])
    await redis.aclose()

    assert all(one.life for one in probes)
    assert positions == {call.meta: LogPosition(b"log-a", 3)}
    ours, theirs = (
        [(one.name, one.default) for one in inspect.signature(script.__call__).parameters.values()]
        for script in (type(redis.register_script("return 1")), AsyncScript)
    )
    assert ours == theirs


async def test_how_far_workers_are_behind_is_seen_on_every_node_of_a_cluster(
    cluster_url: str,
) -> None:
    redis = connect(RedisSettings(url=cluster_url))
    now = await server_time(redis)
    seen = [await fleet(redis, Partition(number), now) for number in range(8)]
    forgotten = [await orphaned(redis, Partition(number), now - 3_600, 10) for number in range(8)]
    await redis.aclose()

    assert [one.wait(("en", "en")) for one in seen] == [0] * 8
    assert forgotten == [[]] * 8


async def call_in_which(
    redis: Redis, folder: Path, breaks: Callable[[], None], mends: Callable[[], None], shares: int
) -> tuple[list[str], Event]:
    """One call; behind its first final Redis breaks, behind its last audio it is mended.  Finals and the end."""
    async with (
        pipeline(redis, folder, LengthTeller(), shares=shares) as it,
        calling(it.url, call_id="c1") as (bridge, heard),
    ):
        sending = asyncio.ensure_future(stream(bridge, AUDIO, frame=160, pace=8))
        await heard.until("segment.final")
        breaks()
        await sending
        await bridge.send('{"type":"stop"}')
        await asyncio.to_thread(mends)
        async with asyncio.timeout(PATIENCE):
            last = await heard.until("call.ended")
    return [event["segment_id"] for event in heard.of("segment.final")], last


async def test_a_cluster_that_dies_with_all_it_knew_loses_nothing_of_a_call(tmp_path: Path) -> None:
    with cluster(tmp_path / "nodes") as nodes:
        redis = connect(RedisSettings(url=nodes.url))
        await check(redis, nodes.url)

        def start() -> None:
            nodes.start()
            nodes.until_whole()

        ended, last = await call_in_which(redis, tmp_path, nodes.kill, start, shares=4)
        await redis.aclose()

    assert len(ended) == len(set(ended)) == last["segments"] > 1
    assert last["reason"] == "completed"


async def test_a_cluster_that_is_not_there_is_no_redis() -> None:
    url = "redis+cluster://127.0.0.1:1,127.0.0.1:2"
    redis = connect(RedisSettings(url=url))

    with pytest.raises(RedisError):
        await redis.ping()
    with pytest.raises(UnusableRedisError, match="no Redis server answers"):
        await check(redis, url)
    await redis.aclose()


async def test_a_master_that_dies_is_followed_by_its_replica_in_mid_call(tmp_path: Path) -> None:
    with watched_pair(tmp_path) as (url, master):
        redis = connect(RedisSettings(url=url))
        await check(redis, url)

        # Its sentinel mends it.
        ended, last = await call_in_which(redis, tmp_path, master.kill, lambda: None, shares=1)
        await redis.aclose()

    assert len(ended) == len(set(ended)) == last["segments"] > 1


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("redis+sentinel://localhost:26379", "give the service name"),
        ("redis+sentinel://localhost/calls", "no host:port"),
        ("redis+cluster://:secret@one,two:6379", "no host:port"),
    ],
)
def test_an_address_that_is_none_is_refused_without_its_password(url: str, complaint: str) -> None:
    with pytest.raises(UnusableRedisError, match=complaint) as refused:
        connect(RedisSettings(url=url))

    assert "secret" not in str(refused.value)
