"""What every process tells of the queue that all share."""

import time
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Gauge
from redis.asyncio import Redis

from protocol.keys import Partition


class QueueMeter:
    """
    Whether Redis answers, how much waits in its lanes and for how long.

    Every process looks for itself and sees the same: take the maximum over them.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        partitions: Sequence[Partition],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._lanes = {
            "finals": [one.finals for one in partitions],
            "partials": [one.partials for one in partitions],
            "outbox": [one.outbox for one in partitions],
            "dead": [one.dead for one in partitions],
        }
        self._now = now
        self._up = Gauge(
            "trunkline_redis_up", "Whether Redis answered last time", registry=registry
        )
        self._depth = Gauge(
            "trunkline_queue_depth",
            "Entries of a lane that are not settled; of `dead` those that were given up",
            ["lane"],
            registry=registry,
        )
        self._age = Gauge(
            "trunkline_queue_age_seconds",
            "Age of the oldest entry of a lane",
            ["lane"],
            registry=registry,
        )

    async def look(self, redis: Redis) -> None:
        """Take all figures anew.  Raises what redis-py raises when there is no answer."""
        self._up.set(0)
        for lane, streams in self._lanes.items():
            async with redis.pipeline(transaction=False) as pipe:
                for stream in streams:
                    pipe.xlen(stream)
                    pipe.xrange(stream, count=1)
                answers = await pipe.execute()
            self._depth.labels(lane).set(sum(answers[::2]))
            oldest = [_moment(entries[0][0]) for entries in answers[1::2] if entries]
            self._age.labels(lane).set(max(0.0, self._now() - min(oldest)) if oldest else 0.0)
        self._up.set(1)


def _moment(entry: bytes) -> float:
    """When an entry was written, in seconds since 1970: its id says so, by the clock of Redis."""
    return int(entry.partition(b"-")[0]) / 1_000
