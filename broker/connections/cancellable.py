"""Clients of redis-py whose commands can be cancelled at any moment, for one server and for a cluster."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha1
from typing import Any, Self

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline, PubSub
from redis.asyncio.cluster import ClusterPipeline, ClusterPubSub, RedisCluster
from redis.exceptions import (
    ConnectionError,  # noqa: A004  # as redis-py has it
    NoScriptError,
    RedisClusterException,
)


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


def raise_if_cancelled() -> None:
    """
    Raise CancelledError if the current task is being cancelled.  Call it where a loop goes on after an error.

    If both come at the same time, `asyncio.gather` raises the error of a task, and the cancellation would be lost.
    """
    _unless_cancelled(None)


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
        self.sha = sha1(source.encode(), usedforsecurity=False).hexdigest()

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
