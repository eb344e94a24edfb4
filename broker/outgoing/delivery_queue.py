"""
Requests that are still to be sent, in Redis: they survive the end of every process.

Each has a key and a time from which on it may be sent.  A sender claims one for some time; if the sender dies,
another claims it.  So a request may arrive twice: receivers recognise it by its `webhook-id`.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis

from ..redis_keys import DeliveryKeys
from ..redis_scripts.lua import load, script

CLAIM_DELIVERIES = script("claim_deliveries", ("zset", "hash"), load("claim_deliveries"))
QUEUE_DELIVERY = script("queue_delivery", ("zset", "hash"), load("queue_delivery"))
SETTLE_DELIVERY = script("settle_delivery", ("zset", "hash"), load("settle_delivery"))

LEASE_SECONDS = 60.0
"""Time for which a sender has claimed a request: longer than one attempt takes."""

_MOST = 10_000
"""Most waiting requests of one queue."""

logger = structlog.get_logger()


class QueueFullError(Exception):
    """Too many requests wait to be sent."""


class Delivery(msgspec.Struct, frozen=True):
    """A request that is to be sent until the receiver accepts it or the attempts are used up."""

    webhook_id: str
    """Stays the same over all attempts."""

    url: str
    body: bytes
    secrets: tuple[str, ...]
    attempts: int = 0
    """Attempts that have failed."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A request that this process has to send.  `written`: as it is in Redis."""

    key: str
    delivery: Delivery
    written: bytes = field(repr=False)


class DeliveryQueue:
    """A queue of requests.  All methods raise the errors of redis-py."""

    def __init__(self, redis: Redis, keys: DeliveryKeys) -> None:
        """`redis` must return bytes."""
        self._keys = [keys.due, keys.waiting]
        self._redis = redis
        self._claim = redis.register_script(CLAIM_DELIVERIES.source)
        self._queue = redis.register_script(QUEUE_DELIVERY.source)
        self._settle = redis.register_script(SETTLE_DELIVERY.source)

    async def put(self, key: str, delivery: Delivery, seconds: float = 0.0) -> None:
        """Send a request in `seconds`, instead of the one with this key.  Raises QueueFullError."""
        args: list[str | bytes | float] = [key, msgspec.msgpack.encode(delivery), seconds, _MOST]
        if not await self._queue(keys=self._keys, args=args):
            raise QueueFullError

    async def postpone(self, key: str, seconds: float) -> None:
        """Send a waiting request in `seconds`.  Does nothing if there is none."""
        await self._queue(keys=self._keys, args=[key, "", seconds, 0])

    async def claim(self, most: int) -> list[Claimed]:
        """Return at most `most` requests that are due, for `LEASE_SECONDS`."""
        reply: Any = await self._claim(keys=self._keys, args=[most, LEASE_SECONDS])
        found = []
        for key, written in zip(reply[::2], reply[1::2], strict=True):
            try:
                delivery = msgspec.msgpack.decode(written, type=Delivery)
            except msgspec.MsgspecError:  # another version may read it
                logger.warning("delivery_unreadable")
                continue
            found.append(Claimed(key.decode(), delivery, written))
        return found

    async def settle(self, claimed: Claimed) -> None:
        """Remove a request, unless it was replaced meanwhile."""
        await self._settle(keys=self._keys, args=[claimed.key, claimed.written, "", 0])

    async def send_again(self, claimed: Claimed, seconds: float) -> None:
        """Count a failed attempt, and send the request again in `seconds`, unless it was replaced meanwhile."""
        again = msgspec.structs.replace(claimed.delivery, attempts=claimed.delivery.attempts + 1)
        args: list[str | bytes | float] = [claimed.key, claimed.written]
        args += [msgspec.msgpack.encode(again), seconds]
        await self._settle(keys=self._keys, args=args)
