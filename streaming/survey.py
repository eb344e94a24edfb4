"""What a gateway looks up in Redis of calls and workers that are not its own.  Changes nothing."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from redis.asyncio import Redis

from protocol.capacity import CapacityError, WorkerCapacity, decode_capacity
from protocol.jobs import task_of
from protocol.keys import Partition

from .fleet import Fleet, LaneDepth


async def server_time(redis: Redis) -> float:
    """Seconds since 1970 by the clock of Redis; not in a pipeline, which a cluster would not allow."""
    seconds, micros = await redis.time()
    return seconds + micros / 1e6


async def forsaken(redis: Redis, partition: Partition, since: float, most: int) -> list[str]:
    """Ids of calls whose gateways have given no sign of life `since`, by the clock of Redis."""
    found: Any = await redis.zrangebyscore(partition.calls, "-inf", since, start=0, num=most)
    return [call_id.decode() for call_id in found]


async def fleet(redis: Redis, partition: Partition, now: float) -> Fleet:
    """The workers of a partition and what waits for them, `now` by the clock of Redis."""
    names: Any = await redis.smembers(partition.lanes)
    tasks = {task: name.decode() for name in names if (task := task_of(name.decode()))}
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hvals(partition.workers)
        for lane in (None, *tasks.values()):
            pipe.xlen(partition.finals_in(lane))
            pipe.xrange(partition.finals_in(lane), count=1)
        workers, *found = await pipe.execute()
    for_any, *depths = [
        _depth(segments, oldest, now)
        for segments, oldest in zip(found[::2], found[1::2], strict=True)
    ]
    return Fleet.of(_told(workers), now, dict(zip(tasks, depths, strict=True)), for_any)


def _depth(segments: int, oldest: Any, now: float) -> LaneDepth:  # noqa: ANN401  # as redis-py leaves it
    since = int(oldest[0][0].split(b"-")[0]) / 1_000 if oldest else now
    return LaneDepth(segments, max(0.0, now - since))


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
