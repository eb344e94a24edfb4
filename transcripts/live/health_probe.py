"""Measures the health of an installation: a few commands to Redis, one to the database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis

from broker.queries import ServerProbe, fleet, probe, server_time
from broker.redis_keys import Partition, names_in

from .health_words import Measured


async def measure(
    redis: Redis, partitions: int, database: Callable[[], Awaitable[bool]]
) -> Measured:
    """Measure.  `database`: whether the database answers.  Raises the errors of redis-py."""
    numbers = [Partition(number) for number in range(partitions)]
    now = await server_time(redis)
    fleets = await asyncio.gather(*(fleet(redis, one, now) for one in numbers))
    probes = await asyncio.gather(*(probe(redis, one) for one in numbers))
    return Measured(
        gateways=await _gateways(redis, numbers[0]),
        fleets=tuple(fleets),
        recordings=sum([await _recordings(redis, one) for one in numbers]),
        stored_behind=max((_age(one, now) for one in probes), default=0.0),
        given_up=sum([await redis.xlen(one.dead) for one in numbers]),
        memory_share=max((one.share for one in probes), default=0.0),
        database_answers=await database(),
    )


async def _gateways(redis: Redis, partition: Partition) -> int:
    """Return the number of gateways: each of them listens for commands to its calls."""
    found: Any = await redis.pubsub_numsub(partition.commands)
    return int(found[0][1]) if found else 0


async def _recordings(redis: Redis, partition: Partition) -> int:
    names: Any = await redis.smembers(partition.job_streams)
    streams = [partition.recordings, *map(partition.recordings_in, names_in(names))]
    return sum([await redis.xlen(stream) for stream in streams])


def _age(one: ServerProbe, now: float) -> float:
    return max(0.0, now - one.oldest[0] / 1_000) if one.oldest else 0.0
