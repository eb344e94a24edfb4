"""
Requests that are still to be sent, in Redis: they survive the end of every process.

Each has a key and a time from which on it may be sent.  A sender claims one for some time; if the sender dies,
another claims it.  So a request may arrive twice: receivers recognise it by its `webhook-id`.

Each tenant has a bounded queue of its own: what one tenant's receiver does not accept delays no other tenant.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis

from ..queries import server_time
from ..redis_keys import DeliveryKeys, names_in
from ..redis_scripts.lua import load, script

CLAIM_DELIVERIES = script("claim_deliveries", ("zset", "hash"), load("claim_deliveries"))
QUEUE_DELIVERY = script("queue_delivery", ("zset", "hash"), load("queue_delivery"))
SETTLE_DELIVERY = script("settle_delivery", ("zset", "hash"), load("settle_delivery"))

LEASE_SECONDS = 60.0
"""Time for which a sender has claimed a request: longer than one attempt takes."""

MOST = 1_000
"""Most waiting requests of one tenant."""

_TENANT_SECONDS = 7 * 86_400
"""A tenant is forgotten so long after its last request: all attempts are over then."""

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
    tenant: str = ""


class DeliveryQueue:
    """The queues of requests of all tenants.  All methods raise the errors of redis-py."""

    def __init__(self, redis: Redis, keys: DeliveryKeys) -> None:
        """`redis` must return bytes."""
        self._keys = keys
        self._redis = redis
        self._claim = redis.register_script(CLAIM_DELIVERIES.source)
        self._queue = redis.register_script(QUEUE_DELIVERY.source)
        self._settle = redis.register_script(SETTLE_DELIVERY.source)

    async def put(
        self,
        key: str,
        delivery: Delivery,
        seconds: float = 0.0,
        *,
        tenant: str = "",
        most: int = MOST,
    ) -> None:
        """
        Send a request in `seconds`, instead of the one with this key.

        Raises QueueFullError if `most` requests of the tenant wait.
        """
        if tenant:
            await self._redis.zadd(self._keys.tenants, {tenant: await server_time(self._redis)})
        args: list[str | bytes | float] = [key, msgspec.msgpack.encode(delivery), seconds, most]
        if not await self._queue(keys=self._of(tenant), args=args):
            raise QueueFullError

    async def postpone(self, key: str, seconds: float, *, tenant: str = "") -> None:
        """Send a waiting request in `seconds`.  Does nothing if there is none."""
        await self._queue(keys=self._of(tenant), args=[key, "", seconds, 0])

    async def tenants(self) -> list[str]:
        """Return the tenants that have had requests in the last days; "": requests without a tenant."""
        forgotten = await server_time(self._redis) - _TENANT_SECONDS
        await self._redis.zremrangebyscore(self._keys.tenants, "-inf", forgotten)
        found: Any = await self._redis.zrange(self._keys.tenants, 0, -1)
        return ["", *names_in(found)]

    async def claim(self, most: int, *, tenant: str = "") -> list[Claimed]:
        """Return at most `most` requests of a tenant that are due, for `LEASE_SECONDS`."""
        reply: Any = await self._claim(keys=self._of(tenant), args=[most, LEASE_SECONDS])
        found = []
        for key, written in zip(reply[::2], reply[1::2], strict=True):
            try:
                delivery = msgspec.msgpack.decode(written, type=Delivery)
            except msgspec.MsgspecError:  # another version may read it
                logger.warning("delivery_unreadable")
                continue
            found.append(Claimed(key.decode(), delivery, written, tenant))
        return found

    async def settle(self, claimed: Claimed) -> None:
        """Remove a request, unless it was replaced meanwhile."""
        args: list[str | bytes | float] = [claimed.key, claimed.written, "", 0]
        await self._settle(keys=self._of(claimed.tenant), args=args)

    async def send_again(self, claimed: Claimed, seconds: float) -> None:
        """Count a failed attempt, and send the request again in `seconds`, unless it was replaced meanwhile."""
        again = msgspec.structs.replace(claimed.delivery, attempts=claimed.delivery.attempts + 1)
        args: list[str | bytes | float] = [claimed.key, claimed.written]
        args += [msgspec.msgpack.encode(again), seconds]
        await self._settle(keys=self._of(claimed.tenant), args=args)

    def _of(self, tenant: str) -> list[str]:
        keys = self._keys.of(tenant)
        return [keys.due, keys.waiting]
