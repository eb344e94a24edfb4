"""What a gateway looks up in Redis of calls and workers that are not its own.  Changes nothing."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from protocol.fleet import Fleet, QueueDepth
from protocol.jobs import task_of
from protocol.worker_capacity import CapacityError, WorkerCapacity, decode_capacity

from .redis_keys import RECORDER, Partition
from .scripts import PROBE

EntryId = tuple[int, int]
"""Milliseconds and number."""


async def server_time(redis: Redis) -> float:
    """Seconds since 1970 by the clock of Redis; not in a pipeline, which a cluster would not allow."""
    seconds, micros = await redis.time()
    return seconds + micros / 1e6


async def orphaned(redis: Redis, partition: Partition, since: float, most: int) -> list[str]:
    """Ids of calls whose gateways have given no sign of life `since`, by the clock of Redis."""
    found: Any = await redis.zrangebyscore(partition.calls, "-inf", since, start=0, num=most)
    return [call_id.decode() for call_id in found]


async def fleet(redis: Redis, partition: Partition, now: float) -> Fleet:
    """The workers of a partition and what waits for them, `now` by the clock of Redis."""
    names: Any = await redis.smembers(partition.job_streams)
    tasks = {task: name.decode() for name in names if (task := task_of(name.decode()))}
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
    return Fleet.of(_told(workers), now, dict(zip(tasks, depths, strict=True)), for_any)


def _depth(segments: int, oldest: Any, now: float) -> QueueDepth:  # noqa: ANN401  # as redis-py leaves it
    since = int(oldest[0][0].split(b"-")[0]) / 1_000 if oldest else now
    return QueueDepth(segments, max(0.0, now - since))


@dataclass(frozen=True, slots=True)
class Probe:
    """How the server of a partition is."""

    life: str
    """Its `run_id`: another one means that it was started again, or that another server has taken over."""

    used: int
    """Bytes of memory in use, as its limit counts them."""

    limit: int
    """Bytes; 0 where there is none, or where it is hidden."""

    oldest: EntryId | None
    """Of the outbox: what the recorder has not stored."""

    newest: EntryId
    """The last that was ever put into the outbox."""

    added: int
    """Entries since the outbox was made."""

    @property
    def share(self) -> float:
        """Part of the limit that is in use, 0 where there is none."""
        return self.used / self.limit if self.limit else 0.0


async def probe(redis: Redis, partition: Partition) -> Probe:
    """Look at a partition's server; its outbox is made, where it is not there."""
    life, used, limit, oldest, newest, added = await redis.register_script(PROBE.source)(
        keys=[partition.outbox], args=[RECORDER]
    )
    first = entry_id(oldest) if oldest else None
    return Probe(life.decode(), used, limit, first, entry_id(newest), added)


def entry_id(text: bytes) -> EntryId:
    """Id of an entry of a stream, so that ids can be compared."""
    milliseconds, _, number = text.partition(b"-")
    return int(milliseconds), int(number)


def _told(workers: Sequence[bytes]) -> Iterator[WorkerCapacity]:
    for payload in workers:
        with contextlib.suppress(CapacityError):  # of another version
            yield decode_capacity(payload)
