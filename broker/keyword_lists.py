"""
Long keyword lists in Redis: each list of a partition is stored once, under the digest of its terms.

Jobs and checkpoints name it instead of repeating up to 5,000 terms several times a second.  Gateways renew the
lists of their calls with every heartbeat.  A list that nobody renews expires, but later than the audio of the jobs
that name it.
"""

from collections import OrderedDict
from typing import Any

import msgspec
from redis.asyncio import Redis

from protocol.calls.keywords import list_digest

from .redis_keys import Partition

LIST_TTL = 3_600
"""Seconds after which a list expires that no gateway renews."""

_KEPT = 16
"""Lists that a reader keeps: a site often has one list for all its calls."""


class KeywordLists:
    """The lists of one Redis.  All methods raise RedisError or OSError if it does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._read: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    async def keep(self, partition: Partition, terms: tuple[str, ...]) -> str:
        """Renew a list, and store it if Redis does not have it.  Returns its digest."""
        digest = list_digest(terms)
        key = partition.keyword_list(digest)
        if not await self._redis.expire(key, LIST_TTL):
            await self._redis.set(key, msgspec.msgpack.encode(terms), ex=LIST_TTL)
        return digest

    async def read(self, partition: Partition, digest: str) -> tuple[str, ...] | None:
        """Return the terms of a list; None if Redis does not have it."""
        if (known := self._read.get(digest)) is None:
            payload: Any = await self._redis.get(partition.keyword_list(digest))
            if payload is None:
                return None
            known = msgspec.msgpack.decode(payload, type=tuple[str, ...])
            self._read[digest] = known
        self._read.move_to_end(digest)
        while len(self._read) > _KEPT:
            self._read.popitem(last=False)
        return known
