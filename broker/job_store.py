"""
Recordings that are transcribed in the background, in Redis: they survive the end of every gateway.

A gateway claims a job for some seconds at a time, and renews the claim while it plays the recording.  If it does
not, another gateway claims the job and continues the call.  The content is deleted when the job ends.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from .outgoing.delivery_queue import CLAIM_DELIVERIES, QUEUE_DELIVERY, SETTLE_DELIVERY
from .queries import probe
from .redis_keys import CallKeys, DeliveryKeys

KEEP_SECONDS = 3_600
"""Time for which a job waits for a gateway, if none is left."""

_PIECE = 1_048_576
"""Bytes of the content in one command."""

_MOST = 10_000
"""Most jobs; the limits of gateways are lower."""


class NoMemoryError(Exception):
    """Redis has no memory for the content."""


@dataclass(slots=True)
class KeptJob:
    """A claimed job.  `spec`: what a gateway needs beside the content, as it is in Redis."""

    filed_id: str
    spec: bytes = field(repr=False)


class JobStore:
    """The jobs of all gateways.  All methods raise the errors of redis-py."""

    def __init__(
        self, redis: Redis, partitions: int, *, lease_seconds: float, memory_share: float
    ) -> None:
        """`lease_seconds`: validity of a claim; `memory_share`: share of its memory that Redis may use."""
        keys = DeliveryKeys("recordings")
        self._redis = redis
        self._partitions = partitions
        self._lease = lease_seconds
        self._memory_share = memory_share
        self._waiting = keys.waiting
        self._keys = [keys.due, keys.waiting]
        self._claim = redis.register_script(CLAIM_DELIVERIES.source)
        self._queue = redis.register_script(QUEUE_DELIVERY.source)
        self._settle = redis.register_script(SETTLE_DELIVERY.source)

    async def put(self, job: KeptJob, content: bytes) -> None:
        """Store a job that this gateway has claimed.  Raises NoMemoryError."""
        keys = self._call_keys(job)
        server = await probe(self._redis, keys.partition)
        if server.limit and server.used + len(content) > self._memory_share * server.limit:
            raise NoMemoryError
        await self._redis.unlink(keys.content)
        for start in range(0, len(content), _PIECE):
            await self._redis.rpush(keys.content, content[start : start + _PIECE])
            await self._redis.expire(keys.content, KEEP_SECONDS)
        await self._write(job)

    async def claim(self) -> KeptJob | None:
        """Return a job that no gateway has claimed any more, claimed; None if there is none."""
        reply: Any = await self._claim(keys=self._keys, args=[1, self._lease])
        return KeptJob(reply[0].decode(), reply[1]) if reply else None

    async def renew(self, job: KeptJob) -> bool:
        """Extend the claim.  Returns False if another gateway has the job."""
        if not await self._replace(job, job.spec, self._lease):
            if await self._redis.hexists(self._waiting, job.filed_id):
                return False
            await self._write(job)  # Redis has lost it: this gateway goes on
        await self._redis.expire(self._call_keys(job).content, KEEP_SECONDS)
        return True

    async def change(self, job: KeptJob, spec: bytes, seconds: float | None = None) -> bool:
        """
        Change what is known of a claimed job.  Returns False if another gateway has the job.

        `seconds`: time after which a gateway may claim it; None: as long as a claim is valid.
        """
        if not await self._replace(job, spec, self._lease if seconds is None else seconds):
            return False
        job.spec = spec
        return True

    async def content(self, job: KeptJob) -> bytes:
        """Return the file; empty if Redis does not have it any more."""
        return b"".join([piece async for piece in self._pieces(self._call_keys(job).content)])

    async def end(self, job: KeptJob) -> None:
        """Remove a job whose result is written."""
        await self._settle(keys=self._keys, args=[job.filed_id, job.spec, "", 0])
        await self._redis.unlink(self._call_keys(job).content)

    async def _pieces(self, key: str) -> AsyncIterator[bytes]:
        for number in range(await self._redis.llen(key)):
            piece: Any = await self._redis.lindex(key, number)
            yield piece or b""

    async def _write(self, job: KeptJob) -> None:
        await self._queue(keys=self._keys, args=[job.filed_id, job.spec, self._lease, _MOST])

    async def _replace(self, job: KeptJob, spec: bytes, seconds: float) -> bool:
        args: list[str | bytes | float] = [job.filed_id, job.spec, spec, seconds]
        return bool(await self._settle(keys=self._keys, args=args))

    def _call_keys(self, job: KeptJob) -> CallKeys:
        return CallKeys.of(job.filed_id, self._partitions)
