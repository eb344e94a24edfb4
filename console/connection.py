"""
Connections to Redis, with the client's own repairs switched off.

redis-py would try a command again by itself when the reply was lost, and so write it twice (measured: an XADD
twice, an XREADGROUP whose entries nobody saw).  Our writes are idempotent and repeated by their owners.
"""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from protocol.settings import RedisSettings

_CONNECT_SECONDS = 1.0
_REPLY_SECONDS = 4.0
"""Longer than any blocking read (1 s), so that only a dead server runs into it."""


class UnusableRedisError(Exception):
    """Redis cannot be used as it is; the operator must change it.  The text says what."""


def connect(settings: RedisSettings, connections: int = 64) -> Redis:
    """A client for one process; connections are made when they are needed."""
    return Redis.from_url(
        settings.url,
        protocol=2,
        decode_responses=False,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_REPLY_SECONDS,
        health_check_interval=10,
        max_connections=connections,
    )


async def check(redis: Redis, url: str) -> None:
    """UnusableRedisError when the server is not there, too old, or would throw calls away when full."""
    try:
        version = str((await redis.info("server"))["redis_version"])
    except (RedisError, OSError) as exc:
        raise UnusableRedisError(
            f"no Redis answers at {_without_password(url)}: start one there, or set TRUNKLINE_REDIS_URL"
        ) from exc
    if int(version.split(".", maxsplit=1)[0]) < 7:
        raise UnusableRedisError(f"Redis {version} is too old: Trunkline needs 7.0, or Valkey 7.2")
    try:
        policy = (await redis.config_get("maxmemory-policy")).get("maxmemory-policy")
    except ResponseError:  # managed services hide CONFIG; their operator has to know
        return
    if policy not in ("noeviction", b"noeviction"):
        raise UnusableRedisError(
            f"Redis has maxmemory-policy {policy!r}: under pressure it would drop calls; set noeviction"
        )


def _without_password(url: str) -> str:
    """The address without what stands before the @."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
