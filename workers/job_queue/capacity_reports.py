"""The capacity that workers report in Redis, for the gateways."""

from collections.abc import Sequence

from redis.asyncio import Redis

from broker.queries import server_time
from broker.redis_keys import Partition
from protocol.scheduling.worker_capacity import (
    FRESH_SECONDS,
    WorkerCapacity,
    encode_capacity,
    is_stale,
)


class CapacityReports:
    """The reports of one worker.  Methods raise RedisError or OSError if Redis does not answer."""

    def __init__(self, redis: Redis, partitions: Sequence[Partition], consumer: str) -> None:
        self._redis = redis
        self._partitions = tuple(partitions)
        self._consumer = consumer

    async def now(self) -> float:
        """Seconds since 1970 by the clock of Redis, which all workers and gateways share."""
        return await server_time(self._redis)

    async def publish(self, report: WorkerCapacity) -> None:
        """
        Publish the capacity of this worker, and delete the reports of workers that have ended.

        `report.at` must come from `now`: by the clock of one machine, the reports of others would seem to be old.
        """
        for partition in self._partitions:
            async with self._redis.pipeline() as pipe:
                pipe.hset(partition.workers, self._consumer, encode_capacity(report))
                pipe.expire(partition.workers, round(FRESH_SECONDS))
                pipe.hgetall(partition.workers)
                *_, reports = await pipe.execute()
            if gone := [worker for worker, one in reports.items() if is_stale(one, report.at)]:
                await self._redis.hdel(partition.workers, *gone)

    async def withdraw(self) -> None:
        """Delete this worker's capacity report: the worker ends."""
        for partition in self._partitions:
            await self._redis.hdel(partition.workers, self._consumer)
