"""Restart a process that dies."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from protocol.operator_error import OperatorError

PAUSES = (0.2, 1.0, 3.0, 10.0)
"""Seconds before the first, second, ... restart; the last value is repeated."""

LATELY_SECONDS = 60.0
"""How long a crash is counted."""

logger = structlog.get_logger()


class StackError(OperatorError):
    """A process cannot be started or keeps crashing.  The text says why and what the operator must do."""


Ready = asyncio.Future[str]
Life = Callable[[Ready], Awaitable[int]]
"""Runs a process once and returns its exit status; sets the future to its ready line."""


@dataclass(frozen=True, slots=True)
class CrashHistory:
    """Times of the recent crashes of a process, in seconds of a monotonic clock."""

    at: tuple[float, ...] = ()

    def another(self, now: float) -> "CrashHistory":
        """Return the history with a crash at `now`, without crashes older than `LATELY_SECONDS`."""
        return CrashHistory((*(one for one in self.at if now - one < LATELY_SECONDS), now))

    @property
    def pause(self) -> float:
        """Seconds to wait before the next restart."""
        return PAUSES[min(len(self.at), len(PAUSES)) - 1]


class RestartingProcess:
    """
    A process that is restarted when it dies.

    It is not restarted if it was never ready, or after `most` crashes within `LATELY_SECONDS`.
    """

    def __init__(self, name: str, life: Life, most: int | None = None) -> None:
        self._name = name
        self._life = life
        self._most = most
        self._keeping: asyncio.Task[None] | None = None

    async def start(self, seconds: float | None) -> str:
        """Start the process; returns its ready line.  Raises StackError if it is not ready within `seconds`."""
        ready: Ready = asyncio.get_running_loop().create_future()
        self._keeping = asyncio.create_task(self._keep(ready))
        either: tuple[asyncio.Future[Any], ...] = (self._keeping, ready)
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED, timeout=seconds)
        if not ready.done():
            await self.stop()  # raises the cause, if known
            raise StackError(f"the {self._name} was not ready within {seconds} s")
        return ready.result()

    async def until_given_up(self) -> None:
        """Wait until the process is no longer restarted.  Raises StackError with the reason."""
        if self._keeping:
            await asyncio.wait({self._keeping})
            await self.stop()

    async def stop(self) -> None:
        """Stop the process and wait until it has ended.  Raises the error that ended the restarts, once."""
        keeping, self._keeping = self._keeping, None
        if keeping:
            keeping.cancel()
            await asyncio.wait({keeping})
            if not keeping.cancelled():
                keeping.result()

    async def _keep(self, ready: Ready) -> None:
        loop = asyncio.get_running_loop()
        crashes = CrashHistory()
        while True:
            status = await self._live(ready)
            crashes = crashes.another(loop.time())
            if self._most and len(crashes.at) >= self._most:
                raise StackError(
                    f"the {self._name} died {self._most} times within"
                    f" {LATELY_SECONDS:.0f} s, the last time with status"
                    f" {status}: it is not started again; its last lines say why"
                )
            logger.error(
                "process_died", name=self._name, status=status, again_in_seconds=crashes.pause
            )
            await asyncio.sleep(crashes.pause)

    async def _live(self, ready: Ready) -> int | None:
        """Run the process once; None if the system could not start it, for example for lack of memory."""
        try:
            return await self._life(ready)
        except OSError as exc:
            if ready.done():
                return None
            raise StackError(f"the {self._name} cannot be started: {exc}") from exc
