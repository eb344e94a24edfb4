"""The job streams that a worker reads: those of the tasks of its engine, and the one without a task."""

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from broker.redis_keys import WORKERS, Partition, names_in
from broker.redis_scripts.leases import JOIN
from protocol.scheduling.jobs import task_of
from protocol.scheduling.worker_capacity import Task


class TaskStreams:
    """
    The job streams of some partitions.  A stream is named by its suffix, the task; None is the one without a task.

    Methods that talk to Redis raise RedisError or OSError if it does not answer.
    """

    def __init__(self, redis: Redis, partitions: Sequence[Partition]) -> None:
        self._redis = redis
        self._partitions = tuple(partitions)
        self._join = redis.register_script(JOIN.source)
        self._found: dict[Partition, tuple[str, ...]] = {}
        self._looked: set[Partition] = set()
        """Partitions whose job streams were looked up since `prepare`."""

        self.tasks: frozenset[Task] | None = None
        """The tasks of the engine; None: all tasks."""

    async def prepare(self) -> None:
        """Create the consumer groups that do not exist yet."""
        for partition in self._partitions:
            await self._make_groups(partition, None)
            self._found[partition] = ()
            await self.find(partition)
            self._looked.discard(partition)

    async def find(self, partition: Partition) -> tuple[str, ...]:
        """The existing job streams of our tasks; creates their consumer groups."""
        names: Any = await self._redis.smembers(partition.job_streams)
        found = tuple(sorted(filter(self.serves, names_in(names))))
        for job_stream in found:
            if job_stream not in self._found.get(partition, ()):
                await self._make_groups(partition, job_stream)
        self._found[partition] = found
        self._looked.add(partition)
        return found

    def known(self, partition: Partition) -> list[str | None]:
        """The job streams that were found last, without asking Redis; first the one of all workers."""
        return [None, *self._found.get(partition, ())]

    async def of(self, partition: Partition) -> list[str | None]:
        """The job streams that were found last, or now if none were looked up since `prepare`."""
        if partition not in self._looked:
            await self.find(partition)
        return self.known(partition)

    def serves(self, job_stream: str) -> bool:
        """Whether this worker claims from a job stream."""
        task = task_of(job_stream)
        return task is not None and (self.tasks is None or task in self.tasks)

    async def _make_groups(self, partition: Partition, job_stream: str | None) -> None:
        for stream_of in (
            partition.finals_in,
            partition.partials_in,
            partition.drafts_in,
            partition.recordings_in,
        ):
            await self._join(keys=[stream_of(job_stream)], args=[WORKERS])
