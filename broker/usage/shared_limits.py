"""The limits of keys and tenants that all gateway processes share."""

import hashlib
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ..redis_keys import usage_key
from ..time_limits import TimeLimit
from .shared_rate import SharedRate
from .shared_usage import SharedUsage

_ANSWER_SECONDS = 0.5
_NONCE_SECONDS = 15
"""Seconds to remember a nonce: slightly longer than a signature of AudioHook is valid."""


class SharedNonces:
    """The nonces of signatures that any gateway process has accepted."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def is_new(self, nonce: str) -> bool:
        """Return whether no other process has accepted this nonce; true if Redis does not answer."""
        key = usage_key("nonce", hashlib.sha256(nonce.encode()).hexdigest())
        try:
            async with TimeLimit(_ANSWER_SECONDS):
                return bool(await self._redis.set(key, b"", nx=True, ex=_NONCE_SECONDS))
        except (RedisError, OSError, TimeoutError):
            return True  # this process refuses those that it has accepted itself


@dataclass(frozen=True, slots=True)
class SharedLimits:
    """Counts that all gateway processes share."""

    usage: SharedUsage
    connects: SharedRate
    """Connections of a key."""

    nonces: SharedNonces


def shared_limits(redis: Redis, connects_per_second: float, processes: int) -> SharedLimits:
    """`processes`: number of processes of this gateway, which share the limits while Redis does not answer."""
    connects = SharedRate(redis, "connects", connects_per_second, processes)
    return SharedLimits(SharedUsage(redis, processes), connects, SharedNonces(redis))
