"""A process that is started again when it dies."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

PAUSES = (0.2, 1.0, 3.0, 10.0)
"""Seconds before a process that died is started again; the last one for as long as it takes."""

LATELY_SECONDS = 60.0
"""So long a death is remembered."""

log = structlog.get_logger()


class StackError(Exception):
    """A process cannot be started here, or not be kept; the text says why and what to do."""


Ready = asyncio.Future[str]
Life = Callable[[Ready], Awaitable[int]]
"""Runs a process from start to end and returns its exit status; the future is told what it says when ready."""


@dataclass(frozen=True, slots=True)
class CrashHistory:
    """When a process died lately, in seconds of a steady clock."""

    at: tuple[float, ...] = ()

    def another(self, now: float) -> "CrashHistory":
        """It has died now; what is long ago does not count any more."""
        return CrashHistory((*(one for one in self.at if now - one < LATELY_SECONDS), now))

    @property
    def pause(self) -> float:
        """Seconds before it is started again."""
        return PAUSES[min(len(self.at), len(PAUSES)) - 1]


class RestartingProcess:
    """
    A process that is started again when it dies.

    One that never got ready is not tried again, and one that died `most` times lately is given up.
    """

    def __init__(self, name: str, life: Life, most: int | None = None) -> None:
        self._name = name
        self._life = life
        self._most = most
        self._keeping: asyncio.Task[None] | None = None

    async def start(self, seconds: float | None) -> str:
        """What it said when it was ready, within so many seconds; StackError when it will not be."""
        ready: Ready = asyncio.get_running_loop().create_future()
        self._keeping = asyncio.create_task(self._keep(ready))
        either: tuple[asyncio.Future[Any], ...] = (self._keeping, ready)
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED, timeout=seconds)
        if not ready.done():
            await self.stop()  # raises what went wrong, if that is known
            raise StackError(f"the {self._name} was not ready within {seconds} s")
        return ready.result()

    async def until_given_up(self) -> None:
        """For as long as it is kept; then StackError says why it is no more."""
        if self._keeping:
            await asyncio.wait({self._keeping})
            await self.stop()

    async def stop(self) -> None:
        """End the process, and wait until it has ended; raises what had ended its keeping before, once."""
        keeping, self._keeping = self._keeping, None
        if keeping:
            keeping.cancel()
            await asyncio.wait({keeping})
            if not keeping.cancelled():
                keeping.result()

    async def _keep(self, ready: Ready) -> None:
        loop = asyncio.get_running_loop()
        deaths = CrashHistory()
        while True:
            status = await self._live(ready)
            deaths = deaths.another(loop.time())
            if self._most and len(deaths.at) >= self._most:
                raise StackError(
                    f"the {self._name} died {self._most} times within {LATELY_SECONDS:.0f} s, at last with status"
                    f" {status}: it is not started again; its last lines say why"
                )
            log.error("process_died", name=self._name, status=status, again_in_seconds=deaths.pause)
            await asyncio.sleep(deaths.pause)

    async def _live(self, ready: Ready) -> int | None:
        """One life; None when the system would not let it begin, for want of memory for instance."""
        try:
            return await self._life(ready)
        except OSError as exc:
            if ready.done():
                return None
            raise StackError(f"the {self._name} cannot be started: {exc}") from exc
