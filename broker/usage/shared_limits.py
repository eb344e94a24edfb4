"""The limits of keys and tenants that all gateway processes share."""

from dataclasses import dataclass

from redis.asyncio import Redis

from .shared_rate import SharedRate
from .shared_usage import SharedUsage


@dataclass(frozen=True, slots=True)
class SharedLimits:
    """Counts that all gateway processes share."""

    usage: SharedUsage
    connects: SharedRate
    """Connections of a key."""


def shared_limits(redis: Redis, connects_per_second: float, processes: int) -> SharedLimits:
    """`processes`: number of processes of this gateway, which share the limits while Redis does not answer."""
    connects = SharedRate(redis, "connects", connects_per_second, processes)
    return SharedLimits(SharedUsage(redis, processes), connects)
