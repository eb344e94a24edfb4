"""
Connections to Redis, with the automatic retries of redis-py switched off.

redis-py would repeat a command if its reply was lost, and so write twice (measured: an XADD twice, an XREADGROUP
whose entries no consumer received). Our writes are idempotent, and their callers repeat them.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self, cast
from urllib.parse import unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import Pipeline, PubSub
from redis.asyncio.cluster import ClusterNode, ClusterPipeline, ClusterPubSub, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004  # as redis-py has it
    NoPermissionError,
    NoScriptError,
    RedisClusterException,
    RedisError,
)

from protocol.operator_error import OperatorError
from protocol.settings import RedisSettings

_CONNECT_SECONDS = 1.0
_REPLY_SECONDS = 4.0
"""Longer than any blocking read (1 s), so that only a dead server causes this timeout."""


class UnusableRedisError(OperatorError):
    """Redis cannot be used with its present configuration. The text says what the operator must change."""


class CancellableRedis(Redis):
    """
    A client whose commands can be cancelled at any moment.

    redis-py 8.1 sometimes ignores a cancellation while it connects. Code that waits for the cancelled task then
    waits forever. This client raises CancelledError again after the command.
    """

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401  # as redis-py has it
        """Run one command. Raises CancelledError if the task was cancelled meanwhile."""
        return _unless_cancelled(await super().execute_command(*args, **options))  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:  # noqa: FBT001, FBT002
        """A pipeline: several commands in one round trip."""
        return _CancellablePipeline(
            self.connection_pool, self.response_callbacks, transaction, shard_hint
        )

    def pubsub(self, **options: Any) -> PubSub:  # noqa: ANN401  # as redis-py has it
        """A subscription."""
        return _CancellablePubSub(self.connection_pool, **options)


class _CancellablePipeline(Pipeline):
    """
    Sends scripts by their hash only, in one round trip.

    redis-py asks with each pipeline whether the server knows its scripts.  Here NOSCRIPT is the exception: then the
    scripts are loaded and the whole pipeline is repeated.  Our scripts may be repeated.
    """

    async def load_scripts(self) -> None:
        """Do nothing: see the class."""

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002
        commands, scripts = list(self.command_stack), set(self.scripts)
        answers: list[Any]
        try:
            answers = _unless_cancelled(await super().execute(raise_on_error))
        except NoScriptError:
            pass
        else:
            if not any(isinstance(answer, NoScriptError) for answer in answers):
                return answers
        for script in scripts:
            await self.immediate_execute_command("SCRIPT LOAD", script.script)  # type: ignore[no-untyped-call]
        self.command_stack, self.scripts = commands, scripts
        answers = _unless_cancelled(await super().execute(raise_on_error))
        return answers


class _CancellablePubSub(PubSub):
    """Raises ConnectionError also if another task has just closed the connection of the subscription."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401  # as redis-py has it
        with _out_of_reach():
            return _unless_cancelled(await super().execute_command(*args, **options))

    async def get_message(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401  # as redis-py has it
        with _out_of_reach():
            return _unless_cancelled(await super().get_message(*args, **options))


def _unless_cancelled(answer: Any) -> Any:  # noqa: ANN401  # any reply of Redis
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    return answer


class CancellableCluster(RedisCluster):
    """CancellableRedis for Redis Cluster. Raises ConnectionError if the cluster cannot be reached."""

    async def initialize(self, *args: Any, **options: Any) -> Self:  # noqa: ANN401  # as redis-py has it
        """Find the nodes of the cluster."""
        with _out_of_reach():
            await super().initialize(*args, **options)
        return self

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401  # as redis-py has it
        """Run one command on the node that holds its keys."""
        with _out_of_reach():
            return _unless_cancelled(await super().execute_command(*args, **options))

    def pipeline(self, transaction: bool | None = None, shard_hint: Any | None = None) -> Any:  # noqa: ANN401, FBT001  # as redis-py has it
        """A pipeline: several commands, one round trip to each node."""
        return _CancellableClusterPipeline(self, transaction)  # type: ignore[abstract]

    def pubsub(self, **options: Any) -> ClusterPubSub:  # type: ignore[override]  # noqa: ANN401  # as redis-py has it
        """A subscription on one of the nodes: every node delivers the messages of all nodes."""
        return _CancellableClusterPubSub(self, **options)

    def register_script(self, script: Any) -> Any:  # noqa: ANN401  # as redis-py has it
        """A script that can also be called in a pipeline; redis-py forbids this on a cluster."""
        return _ClusterScript(self, script)


class _CancellableClusterPipeline(ClusterPipeline):
    def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401  # as redis-py has it
        """
        Add a command to the pipeline. Raises ConnectionError while the client looks for the nodes of the cluster.

        In a transaction, redis-py looks for unknown nodes here, in an event loop of its own. This fails with a
        RuntimeError while the client does the same in ours.
        """
        try:
            return super().execute_command(*args, **options)
        except RuntimeError as exc:
            raise ConnectionError(str(exc)) from exc

    async def execute(self, *args: Any, **options: Any) -> list[Any]:  # noqa: ANN401  # as redis-py has it
        with _out_of_reach():
            answers: list[Any] = _unless_cancelled(await super().execute(*args, **options))
        return answers


class _CancellableClusterPubSub(_CancellablePubSub, ClusterPubSub):
    """The same on a node of a cluster."""


@contextmanager
def _out_of_reach() -> Iterator[None]:
    """
    Raise ConnectionError where redis-py raises another error for a server or cluster that cannot be reached.

    redis-py raises RedisClusterException (not a RedisError) if no node answers or no node has the keys, and
    AttributeError if a command uses a connection that was closed by the failure of another command.
    """
    try:
        yield
    except (RedisClusterException, AttributeError) as exc:
        raise ConnectionError(str(exc)) from exc


class _ClusterScript:
    """
    A script that is sent in full with every call, because a new node may not know it by its hash.

    All keys of a call are on one node, so the reason why redis-py forbids scripts in pipelines does not apply.
    It is called as redis-py's `AsyncScript` is.
    """

    def __init__(self, redis: CancellableCluster, source: str) -> None:
        self._redis = redis
        self._source = source

    async def __call__(
        self,
        keys: Sequence[str] | None = None,
        args: Iterable[Any] | None = None,
        client: ClusterPipeline | None = None,
    ) -> Any:  # noqa: ANN401  # any answer of a script
        keys = keys or ()
        command = ("EVAL", self._source, len(keys), *keys, *(args or ()))
        if client is not None:
            return client.execute_command(*command)
        return await self._redis.execute_command(*command)


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
    version = str(facts["redis_version"])
    if int(version.split(".", maxsplit=1)[0]) < 7:
        raise UnusableRedisError(f"Redis {version} is too old: Trunkline needs 7.0, or Valkey 7.2")
    policy = facts.get(
        "maxmemory_policy", "noeviction"
    )  # if the provider hides it, the operator must check it
    if policy != "noeviction":
        raise UnusableRedisError(
            f"Redis has maxmemory-policy {policy!r}: under pressure it would drop calls; set noeviction"
        )


def _without_password(url: str) -> str:
    """The address without user name and password."""
    scheme, mark, rest = url.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
