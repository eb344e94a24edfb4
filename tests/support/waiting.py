"""Wait for what has no notification: one bound for all tests, and a pause between two looks."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from redis.exceptions import RedisError

PATIENCE = 150.0
"""Seconds after which a test gives up: only a hang lasts so long, however busy the machine."""

PAUSE = 0.02
"""Seconds between two looks.  Without a pause, the test would take the CPU from the parts that it waits for."""

_Seen = TypeVar("_Seen")


async def until(look: Callable[[], Awaitable[_Seen | None]]) -> _Seen:
    """Return what `look` returns as soon as it is true.  Raises TimeoutError after `PATIENCE`."""
    async with asyncio.timeout(PATIENCE):
        while not (seen := await look()):  # noqa: ASYNC110  # there is no notification
            await asyncio.sleep(PAUSE)
    return seen


async def until_it_holds(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition; while Redis or a gateway does not answer, it does not hold.  Raises TimeoutError."""

    async def look() -> bool:
        with suppress(RedisError, OSError):
            return await holds()
        return False

    await until(look)


async def until_true(happens: Callable[[], object]) -> None:
    """Wait until `happens` returns a true value; it runs on the event loop.  Raises TimeoutError."""

    async def look() -> bool:
        return bool(happens())

    await until(look)


async def until_in_thread(look: Callable[[], _Seen | None]) -> _Seen:
    """Return what the blocking `look` returns as soon as it is true; it runs in a thread.  Raises TimeoutError."""
    return await until(lambda: asyncio.to_thread(look))


def wait_until(look: Callable[[], _Seen | None]) -> _Seen:
    """As `until`, for a test without an event loop.  Raises TimeoutError after `PATIENCE`."""
    deadline = time.monotonic() + PATIENCE
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(PAUSE)
    return seen
