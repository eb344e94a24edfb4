"""
Connections to Redis, with the automatic retries of redis-py switched off.

redis-py would repeat a command if its reply was lost, and so write twice (measured: an XADD twice, an XREADGROUP
whose entries no consumer received). Our writes are idempotent, and their callers repeat them.
"""

from typing import Any, cast
from urllib.parse import unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from protocol.operator_error import OperatorError
from protocol.settings import RedisSettings

from .cancellable import CancellableCluster, CancellableRedis

_CONNECT_SECONDS = 1.0
_REPLY_SECONDS = 4.0
"""Longer than any blocking read (1 s), so that only a dead server causes this timeout."""


class UnusableRedisError(OperatorError):
    """Redis cannot be used with its present configuration. The text says what the operator must change."""


def connect(settings: RedisSettings, connections: int = 64) -> Redis:
    """A client for one process, not connected yet. Raises UnusableRedisError if the address is invalid."""
    try:
        return _client(settings.url, connections)
    except (TypeError, ValueError) as exc:  # redis-py does not know an option
        raise UnusableRedisError(
            f"{_without_password(settings.url)} is not a Redis address:  {exc}"
        ) from exc


def _client(url: str, connections: int) -> Redis:
    scheme, mark, rest = url.partition("://")
    match scheme:
        case "redis+sentinel" | "rediss+sentinel":
            return _behind_sentinels(scheme.removesuffix("+sentinel") + mark + rest, connections)
        case "redis+cluster" | "rediss+cluster":
            return _on_cluster(scheme.removesuffix("+cluster") + mark + rest, connections)
        case _:
            pool = BlockingConnectionPool.from_url(
                url, timeout=_REPLY_SECONDS, **_options(connections)
            )
            return CancellableRedis.from_pool(pool)


def patience() -> dict[str, Any]:
    """Options of every client: protocol version and timeouts."""
    return {
        "protocol": 2,
        "decode_responses": False,
        "socket_connect_timeout": _CONNECT_SECONDS,
        "socket_timeout": _REPLY_SECONDS,
        "health_check_interval": 10,
    }


def _options(connections: int) -> dict[str, Any]:
    return patience() | {"retry": Retry(NoBackoff(), 0), "max_connections": connections}


def _behind_sentinels(url: str, connections: int) -> Redis:
    """A client of the master that the sentinels name: `redis+sentinel://user:password@host:26379,host:26379/mymaster`."""
    servers, service, options = several(url)
    if not service:
        raise ValueError("give the service name after the sentinels, for example /mymaster")
    brief = {"socket_connect_timeout": _CONNECT_SECONDS, "socket_timeout": _CONNECT_SECONDS}
    sentinels = Sentinel(servers, sentinel_kwargs=brief)
    client: Redis = sentinels.master_for(
        service, redis_class=CancellableRedis, **(_options(connections) | options)
    )
    return client


def _on_cluster(url: str, connections: int) -> Redis:
    """A client of a cluster; one reachable node is enough: `redis+cluster://host:6379,host:6379`."""
    servers, _, options = several(url)
    cluster = CancellableCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in servers],
        **(_options(connections) | options),
    )
    return cast("Redis", cluster)


def several(url: str) -> tuple[list[tuple[str, int]], str, dict[str, Any]]:
    """
    Parse the address of several servers. Raises ValueError if a server is not `host:port`.

    Returns the hosts and ports, the text after the slash, and the client options (user, password, TLS).
    """
    parts = urlsplit(url)
    names, _, hosts = parts.netloc.rpartition("@")
    servers = []
    for place in hosts.split(","):
        host, _, port = place.rpartition(":")
        if not (host and port.isascii() and port.isdigit()):
            raise ValueError(f"{place!r} is no host:port")
        servers.append((host, int(port)))
    user, _, password = (unquote(part) for part in names.partition(":"))
    options: dict[str, Any] = {
        name: value for name, value in (("username", user), ("password", password)) if value
    }
    if parts.scheme == "rediss":
        options["ssl"] = True
    return servers, parts.path.strip("/"), options


async def check(redis: Redis, url: str) -> None:
    """Raise UnusableRedisError if the server is unreachable, too old, or would evict keys when it is full."""
    try:
        facts = await redis.info()
    except (AuthenticationError, NoPermissionError) as exc:
        raise UnusableRedisError(
            f"the Redis at {_without_password(url)} refused the login: check the user name and the password in"
            " TRUNKLINE_REDIS_URL; the user must at least be allowed what docker/users.acl gives it"
        ) from exc
    except (RedisError, OSError) as exc:
        raise UnusableRedisError(
            f"no Redis server answers at {_without_password(url)}: start one there, or set TRUNKLINE_REDIS_URL"
        ) from exc
    except TypeError as exc:  # redis-py does not know an option in the address
        raise UnusableRedisError(
            f"{_without_password(url)} is not a Redis address:  {exc}"
        ) from exc
    if fault := _unusable(facts):
        raise UnusableRedisError(fault)


def _unusable(facts: dict[str, Any]) -> str:
    """What makes a server with these facts of INFO unusable; empty if nothing does."""
    version = str(facts["redis_version"])
    if int(version.split(".", maxsplit=1)[0]) < 7:
        return f"Redis {version} is too old: Trunkline needs 7.0, or Valkey 7.2"
    # a provider may hide the policy: then the operator must check it
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        return f"Redis has maxmemory-policy {policy!r}: under pressure it would drop calls; set noeviction"
    return ""


def _without_password(url: str) -> str:
    """The address without user name and password."""
    scheme, mark, rest = url.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
