"""Metrics that every process has: its event loop, Redis and the job queue."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, Histogram
from redis.asyncio import Redis

from broker.redis_keys import Partition, parse_entry_id
from protocol.scheduling.jobs import task_of

_CHECK_SECONDS = 0.02
"""Sampling interval: every step of the event loop that is longer than this is measured."""


class LoopMeter:
    """
    Lag of the event loop: the delay that every audio frame of every call has to wait.

    The only measurement of it in a process; parts that depend on the lag get it by `report_to`.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lag = Histogram(
            "trunkline_loop_lag_seconds",
            "Delay of the event loop, measured fifty times a second",
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
            registry=registry,
        )
        self._longest = 0.0
        self._observers: list[Callable[[float], None]] = []
        longest = Gauge(
            "trunkline_loop_longest_step_seconds",
            "Longest delay of the event loop since the metrics were last read",
            registry=registry,
        )
        longest.set_function(self._take_longest)

    def _take_longest(self) -> float:
        longest, self._longest = self._longest, 0.0
        return longest

    def report_to(self, observer: Callable[[float], None]) -> None:
        """Call `observer` with each measured lag in seconds, fifty times a second.  It must not block."""
        self._observers.append(observer)

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _CHECK_SECONDS
            await asyncio.sleep(_CHECK_SECONDS)
            late = max(0.0, loop.time() - due)
            self._lag.observe(late)
            self._longest = max(self._longest, late)
            for observer in self._observers:
                observer(late)


@dataclass(frozen=True, slots=True)
class _Stream:
    """The entries of a stream.  `oldest`: when the first one was added, in Unix seconds; None if it is empty."""

    length: int
    oldest: float | None


class QueueMeter:
    """
    Whether Redis answers; length and age of its streams.

    Every process measures the same streams: take the maximum over all processes.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        partitions: Sequence[Partition],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._job_streams = {
            "finals": [one.finals for one in partitions],
            "recordings": [one.recordings for one in partitions],
            "partials": [one.partials for one in partitions],
            "drafts": [one.drafts_in(None) for one in partitions],
            "outbox": [one.outbox for one in partitions],
            "dead": [one.dead for one in partitions],
        }
        self._partitions = tuple(partitions)
        self._now = now
        self._up = Gauge(
            "trunkline_redis_up",
            "1 if the last request to Redis was answered, else 0",
            registry=registry,
        )
        self._depth = Gauge(
            "trunkline_queue_depth",
            "Entries of a stream that are not settled; for `dead`: jobs that were given up",
            ["lane"],
            registry=registry,
        )
        self._age = Gauge(
            "trunkline_queue_age_seconds",
            "Age of the oldest entry of a stream",
            ["lane"],
            registry=registry,
        )
        self._task_depth = Gauge(
            "trunkline_task_queue_depth",
            "Finals that are not settled, by task: `de-en` is German speech written in English",
            ["task"],
            registry=registry,
        )
        self._task_age = Gauge(
            "trunkline_task_queue_age_seconds",
            "Age of the oldest final that is not settled, by task",
            ["task"],
            registry=registry,
        )

    async def poll(self, redis: Redis) -> None:
        """Measure all streams.  Raises the errors of redis-py if Redis does not answer."""
        self._up.set(0)
        tasks: dict[str, list[str]] = {}
        partials, recordings, drafts = [], [], []
        for partition in self._partitions:
            names: Any = await redis.smembers(partition.job_streams)
            for name in names:
                if task_of(job_stream := name.decode()):
                    tasks.setdefault(job_stream, []).append(partition.finals_in(job_stream))
                    partials.append(partition.partials_in(job_stream))
                    recordings.append(partition.recordings_in(job_stream))
                    drafts.append(partition.drafts_in(job_stream))
        finals = [one for some in tasks.values() for one in some]
        named = {"finals": finals, "partials": partials, "recordings": recordings, "drafts": drafts}
        kinds = {
            kind: [*streams, *named.get(kind, ())] for kind, streams in self._job_streams.items()
        }
        found = await self._measure(redis, [one for streams in kinds.values() for one in streams])
        for task, streams in tasks.items():
            self._set(self._task_depth.labels(task), self._task_age.labels(task), found, streams)
        for kind, streams in kinds.items():
            self._set(self._depth.labels(kind), self._age.labels(kind), found, streams)
        self._up.set(1)

    def _set(
        self, depth: Gauge, age: Gauge, found: Mapping[str, _Stream], streams: Sequence[str]
    ) -> None:
        ours = [found[stream] for stream in streams]
        oldest = min((one.oldest for one in ours if one.oldest is not None), default=None)
        depth.set(sum(one.length for one in ours))
        age.set(0.0 if oldest is None else max(0.0, self._now() - oldest))

    async def _measure(self, redis: Redis, streams: Sequence[str]) -> dict[str, _Stream]:
        """Return the state of each stream.  Most are empty, and not asked for their oldest entry."""
        async with redis.pipeline(transaction=False) as pipe:
            for stream in streams:
                pipe.xlen(stream)
            lengths = dict(zip(streams, await pipe.execute(), strict=True))
        filled = [stream for stream, length in lengths.items() if length]
        async with redis.pipeline(transaction=False) as pipe:
            for stream in filled:
                pipe.xrange(stream, count=1)
            first = dict(zip(filled, await pipe.execute(), strict=True))
        return {
            stream: _Stream(length, _time_of(first.get(stream)))
            for stream, length in lengths.items()
        }


def _time_of(entries: Any) -> float | None:  # noqa: ANN401  # as redis-py leaves it
    """Return when the first of some entries was added, in Unix seconds; None without entries."""
    return parse_entry_id(entries[0][0])[0] / 1_000 if entries else None
