"""What a gateway looks up in Redis of calls and workers that are not its own.  Changes nothing."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from redis.asyncio import Redis

from protocol.capacity import CapacityError, WorkerCapacity, decode_capacity
from protocol.keys import Partition

from .load import Backlog, capacity_of, tasks_of


async def server_time(redis: Redis) -> float:
    """Seconds since 1970 by the clock of Redis; not in a pipeline, which a cluster would not allow."""
    seconds, micros = await redis.time()
    return seconds + micros / 1e6


async def forsaken(redis: Redis, partition: Partition, since: float, most: int) -> list[str]:
    """Ids of calls whose gateways have given no sign of life `since`, by the clock of Redis."""
    found: Any = await redis.zrangebyscore(partition.calls, "-inf", since, start=0, num=most)
    return [call_id.decode() for call_id in found]


async def backlog(redis: Redis, partition: Partition, now: float) -> Backlog:
    """How far the workers of a partition are behind, `now` by the clock of Redis."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.xlen(partition.finals)
        pipe.xrange(partition.finals, count=1)
        pipe.hvals(partition.workers)
        segments, oldest, workers = await pipe.execute()
    since = int(oldest[0][0].split(b"-")[0]) / 1_000 if oldest else now
    told = list(_told(workers))
    return Backlog(segments, max(0.0, now - since), capacity_of(told, now), tasks_of(told, now))


async def newest_in(redis: Redis, outbox: str) -> str:
    """The id of the last entry that lies there; `0-0` for none."""
    newest: Any = await redis.xrevrange(outbox, count=1)
    return newest[0][0].decode() if newest else "0-0"


async def is_emptied(redis: Redis, outbox: str, mark: str) -> bool:
    """Whether everything up to `mark` has been taken out."""
    return not await redis.xrange(outbox, "-", mark, count=1)


def _told(workers: Sequence[bytes]) -> Iterator[WorkerCapacity]:
    for payload in workers:
        with contextlib.suppress(CapacityError):  # of another version
            yield decode_capacity(payload)
