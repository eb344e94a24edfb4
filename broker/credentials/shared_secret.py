"""A random secret that all processes at one Redis share, for texts that one process seals and another opens."""

import asyncio
import secrets
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ..redis_keys import PAGE_SECRET

_LOOK_SECONDS = 5.0
_MOST = 3
"""Secrets that are remembered: after Redis has lost its data, the processes may have to agree on another one."""

logger = structlog.get_logger()


class SharedSecret:
    """
    The secret in Redis, which the first process has written.

    A process that lives writes it again if Redis has lost its data.  Until Redis answers for the first time, the
    process uses a secret of its own.
    """

    def __init__(self, redis: Redis) -> None:
        """`redis` must return bytes."""
        self._redis: Any = redis
        self._known = [secrets.token_bytes(32)]

    @property
    def known(self) -> tuple[bytes, ...]:
        """The secrets that are accepted, the one to use first; at least one."""
        return tuple(self._known)

    async def refresh(self) -> None:
        """Read the secret from Redis, or write our own if there is none.  Keep the old one if Redis fails."""
        try:
            await self._redis.set(PAGE_SECRET, self._known[0], nx=True)
            agreed = await self._redis.get(PAGE_SECRET)
        except (RedisError, OSError) as exc:
            logger.warning("redis_unavailable", error=type(exc).__name__)
            return
        if agreed and agreed != self._known[0]:
            self._known = [agreed, *(one for one in self._known if one != agreed)][:_MOST]

    async def run(self) -> None:
        """Refresh periodically, until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(_LOOK_SECONDS)
