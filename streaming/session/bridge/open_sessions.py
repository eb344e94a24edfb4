"""The sessions of a gateway, and how they come to their end when it stops."""

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import structlog

from broker.time_limits import TimeLimit

_LEAVE_SECONDS = 5.0
"""Time in which sessions write their checkpoints and close; later their tasks are cancelled."""

logger = structlog.get_logger()


class Leaving(Protocol):
    """What is needed of a session."""

    async def leave(self) -> None:
        """Release the call for another gateway, or end it."""


class OpenSessions:
    """Counts sessions, and ends them within limits."""

    def __init__(self, leave_seconds: float = _LEAVE_SECONDS) -> None:
        """`leave_seconds`: see the default."""
        self._leave_seconds = leave_seconds
        self._tasks: dict[Leaving, asyncio.Task[Any] | None] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._tasks)

    @contextmanager
    def inside(self, session: Leaving) -> Iterator[None]:
        """Count a session while the context is active.  The current task is cancelled if it never leaves."""
        self._tasks[session] = asyncio.current_task()
        self._empty.clear()
        try:
            yield
        finally:
            del self._tasks[session]
            if not self._tasks:
                self._empty.set()

    async def end(self, drain_seconds: float, hold_seconds: float) -> None:
        """
        Wait `drain_seconds` for sessions to end, then tell the rest to leave, then cancel what has not left.

        `hold_seconds`: longest wait for the last finals of a call.
        """
        if await self._until_empty(drain_seconds):
            return
        leaving = [asyncio.create_task(one.leave()) for one in self._tasks]
        if not await self._until_empty(hold_seconds + self._leave_seconds):
            logger.error("calls_not_left", entries=len(self._tasks))
            for task in (*leaving, *filter(None, self._tasks.values())):
                task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)

    async def _until_empty(self, seconds: float) -> bool:
        """Wait until no session is left, for that time at most.  Returns whether none is left."""
        with contextlib.suppress(TimeoutError):
            async with TimeLimit(seconds):
                await self._empty.wait()
        return self._empty.is_set()
