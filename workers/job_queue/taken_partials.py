"""Removes the requests for partials and drafts that a worker has taken from their job streams, many at a time."""

from collections.abc import Iterable

from redis.asyncio import Redis

from broker.redis_keys import WORKERS, Partition

from .claimed import ClaimedJob


class TakenPartials:
    """
    Entries of job streams whose partials or drafts are begun or dropped.

    They are nobody else's: each entry is delivered once.  So their removal may wait for the next `remove`.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._entries: dict[Partition, dict[str, list[str]]] = {}

    def add(self, partials: Iterable[ClaimedJob]) -> None:
        """Add partials and drafts, to be removed from their job streams."""
        for one in partials:
            streams = self._entries.setdefault(one.partition, {})
            streams.setdefault(one.stream, []).append(one.entry)

    async def remove(self, partition: Partition) -> None:
        """Remove what was added for a partition.  Raises RedisError or OSError, and keeps it for the next time."""
        streams = self._entries.pop(partition, None)
        if not streams:
            return
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for stream, entries in streams.items():
                    pipe.xack(stream, WORKERS, *entries)
                    pipe.xdel(stream, *entries)
                await pipe.execute()
        except BaseException:
            for stream, entries in streams.items():
                self._entries.setdefault(partition, {}).setdefault(stream, []).extend(entries)
            raise
