"""Read-only queries of a gateway about calls and workers of the whole installation."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from protocol.scheduling.fleet import Fleet, QueueDepth
from protocol.scheduling.jobs import task_of
from protocol.scheduling.worker_capacity import CapacityError, WorkerCapacity, decode_capacity

from .redis_keys import Partition, names_in, parse_entry_id
from .redis_scripts.scripts import PROBE

EntryId = tuple[int, int]
"""Id of a stream entry: milliseconds and sequence number."""


async def server_time(redis: Redis) -> float:
    """Seconds since 1970 by the clock of Redis. Not usable in a pipeline: a cluster does not allow it."""
    seconds, micros = await redis.time()
    return seconds + micros / 1e6


async def orphaned(redis: Redis, partition: Partition, since: float, most: int) -> list[str]:
    """Ids of at most `most` calls without a heartbeat after `since` (seconds, clock of Redis)."""
    found: Any = await redis.zrangebyscore(partition.calls, "-inf", since, start=0, num=most)
    return names_in(found)


async def fleet(redis: Redis, partition: Partition, now: float) -> Fleet:
    """The workers of a partition and the jobs that wait for them. `now`: seconds by the clock of Redis."""
    names: Any = await redis.smembers(partition.job_streams)
    tasks = {task: name for name in names_in(names) if (task := task_of(name))}
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hvals(partition.workers)
        for job_stream in (None, *tasks.values()):
            pipe.xlen(partition.finals_in(job_stream))
            pipe.xrange(partition.finals_in(job_stream), count=1)
        workers, *found = await pipe.execute()
    for_any, *depths = [
        _depth(segments, oldest, now)
        for segments, oldest in zip(found[::2], found[1::2], strict=True)
    ]
    return Fleet.of(_readable(workers), now, dict(zip(tasks, depths, strict=True)), for_any)


def _depth(segments: int, oldest: Any, now: float) -> QueueDepth:  # noqa: ANN401  # as redis-py leaves it
    since = parse_entry_id(oldest[0][0])[0] / 1_000 if oldest else now
    return QueueDepth(segments, max(0.0, now - since))


@dataclass(frozen=True, slots=True)
class ServerProbe:
    """State of the Redis server of a partition."""

    life: str
    """Its `run_id`: it changes if the server restarts or a replica takes over."""

    used: int
    """Bytes of memory in use that count towards the limit."""

    limit: int
    """Bytes; 0 if there is no limit, or if the provider hides it."""

    oldest: EntryId | None
    """The oldest entry of the outbox that the recorder has not stored; None if there is none."""

    newest: EntryId
    """The last entry ever added to the outbox."""

    added: int
    """Entries added since the outbox was created."""

    @property
    def share(self) -> float:
        """Part of the limit that is in use (0 to 1); 0 if there is no limit."""
        return self.used / self.limit if self.limit else 0.0


async def probe(redis: Redis, partition: Partition) -> ServerProbe:
    """Query the server of a partition. Changes nothing."""
    life, used, limit, oldest, newest, added = await redis.register_script(PROBE.source)(
        keys=[partition.outbox]
    )
    first = parse_entry_id(oldest) if oldest else None
    return ServerProbe(life.decode(), used, limit, first, parse_entry_id(newest), added)


def _readable(workers: Sequence[bytes]) -> Iterator[WorkerCapacity]:
    for payload in workers:
        with contextlib.suppress(CapacityError):  # written by another version
            yield decode_capacity(payload)
