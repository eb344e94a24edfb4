"""Writes of several calls in one pipeline for each turn of the event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.commands.core import AsyncScript
from redis.exceptions import (
    ConnectionError,  # noqa: A004  # as redis-py has it
    RedisError,
)

from ..redis_scripts.lua import Script

Add = Callable[[Pipeline], Awaitable[None]]
"""Adds the commands of one caller to a pipeline, without waiting for anything."""

_MOST = 32
"""Callers in one round trip; the others go with the next."""


@dataclass(frozen=True, slots=True)
class Part:
    """
    What a caller gives to a script that takes several groups of keys and arguments, and answers each.

    The groups of all callers of a turn go into one run of the script.
    """

    script: AsyncScript
    keys: Sequence[str]
    args: Sequence[Any]


@dataclass(slots=True)
class _Waiting:
    """A caller: its parts and commands, and where its answers go."""

    parts: Sequence[Part]
    add: Add | None
    answers: asyncio.Future[list[Any]]


class SharedPipeline:
    """
    Collects the commands of all callers of one turn, and sends them in one round trip.

    Use one for each partition: all keys of a pipeline are then on one node of a cluster.  The commands of a caller
    stay in order and together, behind the parts of all callers.  The first caller of a turn sends for all.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[_Waiting] = []
        self._scripts: dict[str, AsyncScript] = {}

    def script(self, one: Script) -> AsyncScript:
        """Return a registered script, the same object to all callers: a gateway has thousands of calls."""
        if one.name not in self._scripts:
            self._scripts[one.name] = self._redis.register_script(one.source)
        return self._scripts[one.name]

    async def run(self, add: Add | None = None, parts: Sequence[Part] = ()) -> list[Any]:
        """
        Return the answers to `parts`, and then to the commands that `add` adds.

        Raises the first error among them, and the errors of the connection.  Errors of other callers do not matter.
        """
        mine = _Waiting(parts, add, asyncio.get_running_loop().create_future())
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
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                scripts = await _add_parts(pipe, [part for one in waiting for part in one.parts])
                counts = [await _added(pipe, one) for one in waiting]
                found = await pipe.execute(raise_on_error=False)
        except (RedisError, OSError) as exc:
            _fail(waiting, exc)
            return
        of_parts = {
            sha: _each(answer, count)
            for (sha, count), answer in zip(scripts.items(), found, strict=False)
        }
        start = len(scripts)
        for one, count in zip(waiting, counts, strict=True):
            answers = [next(of_parts[part.script.sha]) for part in one.parts]
            if not one.answers.done():
                one.answers.set_result(answers + found[start : start + count])
            start += count


async def _add_parts(pipe: Pipeline, parts: Iterable[Part]) -> dict[str, int]:
    """Add one run of each script for all its parts.  Returns how many parts each script has, in order."""
    together: dict[str, list[Part]] = {}
    for part in parts:
        together.setdefault(part.script.sha, []).append(part)
    for group in together.values():
        keys = [key for part in group for key in part.keys]
        await group[0].script(keys, [arg for part in group for arg in part.args], client=pipe)
    return {sha: len(group) for sha, group in together.items()}


async def _added(pipe: Pipeline, one: _Waiting) -> int:
    """Add the commands of a caller.  Returns how many these are."""
    before = len(pipe)
    if one.add is not None:
        await one.add(pipe)
    return len(pipe) - before


def _each(answer: Any, parts: int) -> Iterator[Any]:  # noqa: ANN401  # as Redis answers
    """The answers to the parts of one run; the error of the run is the answer to each of them."""
    return iter([answer] * parts if isinstance(answer, Exception) else answer)


def _fail(waiting: list[_Waiting], error: Exception) -> None:
    """End those that have no answer yet."""
    for one in waiting:
        if not one.answers.done():
            one.answers.set_exception(error)
            one.answers.exception()  # the caller may be cancelled: then nobody asks for it
