"""
The last connections that gateways refused, for the page on which a telephone system is connected.

Gateways write them to Redis once a second, at most `MOST` at a time; they expire.  A refused connection has no
tenant: only administrators of the whole site see the list.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from .redis_keys import REFUSED

MOST = 16
"""Refusals that are kept, of all gateways together."""

_KEEP_SECONDS = 600
_EVERY_SECONDS = 1.0
_LONGEST_PATH = 64

logger = structlog.get_logger()


class RefusedConnection(msgspec.Struct, frozen=True):
    """`at`: Unix seconds; `path`: without the query, cut; `reason`: a fixed word of the gateway."""

    at: float
    path: str
    reason: str


@dataclass(slots=True)
class RefusalLog:
    """Collects the refusals of one gateway and writes them to Redis.  Older ones give way to newer ones."""

    redis: Redis
    _waiting: deque[RefusedConnection] = field(default_factory=lambda: deque(maxlen=MOST))
    _some: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, at: float, target: str, reason: str) -> None:
        """Note a refusal; `target`: path and query of the request, which may hold credentials."""
        path = target.partition("?")[0][:_LONGEST_PATH]
        self._waiting.append(RefusedConnection(at, path, reason))
        self._some.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            await self._write()
            await asyncio.sleep(_EVERY_SECONDS)

    async def _write(self) -> None:
        entries = [msgspec.json.encode(one) for one in self._waiting]
        self._waiting.clear()
        try:
            async with self.redis.pipeline(transaction=True) as pipe:
                pipe.lpush(REFUSED, *entries)
                pipe.ltrim(REFUSED, 0, MOST - 1)
                pipe.expire(REFUSED, _KEEP_SECONDS)
                await pipe.execute()
        except (RedisError, OSError) as exc:
            logger.warning("redis_unavailable", error=type(exc).__name__)


async def read_refused(redis: Redis) -> list[RefusedConnection]:
    """Return the last refusals, the newest first.  Raises the errors of redis-py."""
    found: Any = await redis.lrange(REFUSED, 0, MOST - 1)
    return [msgspec.json.decode(one, type=RefusedConnection) for one in found]
