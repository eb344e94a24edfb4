"""For tests of workers: queue the segments of one call as a gateway does, and read its log as a client does."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from redis.asyncio import Redis
from support.answers import pending_of

from broker.redis_keys import WORKERS, CallKeys, Partition
from protocol.calls.call import CallConfig, Role
from protocol.events import Entry, Final, Partial, SegmentFailed, SegmentId
from protocol.events.event_codec import decode_entry
from protocol.scheduling.jobs import Job, encode_job
from streaming.call.checkpoint import Checkpoint
from streaming.call.ledger import QueueFinal, StoreAudio
from streaming.call_store import CallStore
from workers.engines.base import Engine, Samples
from workers.job_queue import WorkQueue
from workers.names.finder import NameFinder
from workers.settings import WorkerSettings
from workers.worker import Worker

P0 = Partition(0)
CALL = CallKeys(P0, "call-1")

_CHECKPOINT = Checkpoint((Role.MIXED,), "native", 0.0, CallConfig(), (0,))

Terminal = Final | SegmentFailed


class JobStream:
    """A call in progress.  Each channel has one segment, so no event waits for another in the log."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._gateway = CallStore(redis, CALL, "owner")
        self._read = b"0"

    async def begin(self) -> None:
        """Open the call."""
        await self._gateway.open("log-a", _CHECKPOINT)

    async def poll(self) -> None:
        """Restore the call in a Redis that has restarted, with no events."""
        await self._gateway.restore([], _CHECKPOINT)

    async def queue(self, channel: int, samples: Samples, number: int = 0, start: int = 0) -> None:
        """Queue a final; `samples`: at the sample rate of the engine; `start`: on the call clock."""
        segment = SegmentId(channel, number)
        audio = _as_pcm(samples)
        await self._gateway.perform(
            [
                StoreAudio(segment, 0, audio),
                QueueFinal(segment, _job(segment, start + len(samples) // 2, start), len(audio)),
            ]
        )

    async def ask(self, channel: int, samples: Samples) -> None:
        """Request a partial of an open segment."""
        segment = SegmentId(channel, 0)
        await self._gateway.perform([StoreAudio(segment, 0, _as_pcm(samples), _job(segment, None))])

    async def next_terminal(self) -> Terminal:
        """Wait for the next final or failed segment in the log."""
        while True:
            reply: Any = await self._redis.xread({CALL.log: self._read}, count=1, block=1_000)
            for _, entries in reply:
                ((self._read, fields),) = entries
                entry = decode_entry(0, fields[b"e"])
                if isinstance(entry, Entry) and isinstance(entry.event, Final | SegmentFailed):
                    return entry.event

    @asynccontextmanager
    async def partials(self) -> AsyncIterator[AsyncIterator[Partial]]:
        """Yield the partials that are published while the context lasts."""
        async with self._redis.pubsub() as told:
            await told.subscribe(CALL.live)
            messages = told.listen()
            await anext(messages)  # the subscription is active
            yield _partials_in(messages)

    async def leases(self) -> list[tuple[str, int]]:
        """Return consumer and delivery count of each pending final, oldest first."""
        pending = await pending_of(self._redis, P0.finals_in("en-en"), WORKERS)
        return [(one["consumer"].decode(), one["times_delivered"]) for one in pending]


@asynccontextmanager
async def working(
    redis: Redis,
    engine: Engine,
    settings: WorkerSettings | None = None,
    name: str = "worker-1",
    clock: Callable[[], float] = time.time,
    names: NameFinder | None = None,
) -> AsyncIterator[asyncio.Task[None]]:
    """Run a worker while the context lasts; yields its task."""
    queue = WorkQueue(redis, [P0], name)
    settings = settings or WorkerSettings()
    task = asyncio.ensure_future(Worker(queue, [P0], engine, settings, clock, names=names).run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _partials_in(messages: AsyncIterator[dict[str, Any]]) -> AsyncIterator[Partial]:
    async for message in messages:
        if message["data"].startswith(b"- "):
            entry = decode_entry(None, message["data"][2:])
            assert isinstance(entry, Entry)
            assert isinstance(entry.event, Partial)
            yield entry.event


def speech(tenths: int) -> Samples:
    """Return `tenths` tenths of a second of audio that is not silence."""
    return np.full(tenths * 1_600, 0.5, np.float32)


def _as_pcm(samples: Samples) -> bytes:
    return (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()


def _job(segment: SegmentId, end: int | None, start: int = 0) -> bytes:
    return encode_job(Job("call-1", "log-a", segment, start, 0.0, "en", end=end))
