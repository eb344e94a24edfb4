"""Writes of several calls in one pipeline for each turn of the event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import (
    ConnectionError,  # noqa: A004  # as redis-py has it
    RedisError,
)

Add = Callable[[Pipeline], Awaitable[None]]
"""Adds the commands of one caller to a pipeline, without waiting for anything."""

_MOST = 32
"""Callers in one round trip; the others go with the next."""


@dataclass(slots=True)
class _Waiting:
    """A caller: its commands, and where its answers go."""

    add: Add
    answers: asyncio.Future[list[Any]]


class SharedPipeline:
    """
    Collects the commands of all callers of one turn, and sends them in one round trip.

    Use one for each partition: all keys of a pipeline are then on one node of a cluster.  The commands of a caller
    stay in order and together.  The first caller of a turn sends for all.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[_Waiting] = []

    async def run(self, add: Add) -> list[Any]:
        """
        Return the answers to the commands that `add` adds.

        Raises the first error among them, and the errors of the connection.  Errors of other callers do not matter.
        """
        mine = _Waiting(add, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        if len(self._waiting) == 1:
            await self._lead()
        answers = await mine.answers
        if error := next((one for one in answers if isinstance(one, Exception)), None):
            raise error
        return answers

    async def _lead(self) -> None:
        """Send what waits at the end of this turn.  If the sender is cancelled, the others must repeat theirs."""
        waiting: list[_Waiting] = []
        try:
            try:
                await asyncio.sleep(0)
            finally:
                waiting, self._waiting = self._waiting, []
            for start in range(0, len(waiting), _MOST):
                await self._send(waiting[start : start + _MOST])
        finally:
            _fail(waiting, ConnectionError("the writer of this turn was cancelled"))

    async def _send(self, waiting: list[_Waiting]) -> None:
        counts = []
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for one in waiting:
                    before = len(pipe)
                    await one.add(pipe)
                    counts.append(len(pipe) - before)
                answers = await pipe.execute(raise_on_error=False)
        except (RedisError, OSError) as exc:
            _fail(waiting, exc)
            return
        start = 0
        for one, count in zip(waiting, counts, strict=True):
            if not one.answers.done():
                one.answers.set_result(answers[start : start + count])
            start += count


def _fail(waiting: list[_Waiting], error: Exception) -> None:
    """End those that have no answer yet."""
    for one in waiting:
        if not one.answers.done():
            one.answers.set_exception(error)
            one.answers.exception()  # the caller may be cancelled: then nobody asks for it
