"""A blocking connection to Redis for a thread, with the options of `connection.py`."""

from typing import cast

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

from protocol.settings import RedisSettings

from .connection import patience, several


def connect_blocking(settings: RedisSettings) -> Redis:
    """A client for one thread, not connected yet. Raises ValueError if the address is invalid."""
    scheme, mark, rest = settings.url.partition("://")
    options = patience() | {"retry": Retry(NoBackoff(), 0), "max_connections": 2}
    if scheme.endswith("+sentinel"):
        servers, service, login = several(scheme.removesuffix("+sentinel") + mark + rest)
        sentinels = Sentinel(servers, sentinel_kwargs=patience())
        return cast("Redis", sentinels.master_for(service, **(options | login)))
    if scheme.endswith("+cluster"):
        servers, _, login = several(scheme.removesuffix("+cluster") + mark + rest)
        nodes = [ClusterNode(*one) for one in servers]
        return cast("Redis", RedisCluster(startup_nodes=nodes, **(options | login)))
    return Redis.from_pool(BlockingConnectionPool.from_url(settings.url, **options))
