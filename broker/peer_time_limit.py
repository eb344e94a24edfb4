"""The longest time that a peer may take, for one message that it reads or writes."""

import asyncio
from types import TracebackType
from typing import Self

_STEPS = 10


class PeerTimeLimit:
    """
    Limits the body of an `async with` to `seconds`, as `asyncio.timeout` does; raises TimeoutError.

    Time in which this process stood still is not counted against the peer: a stopped process, a paused virtual
    machine, a processor that is taken. After such a stall one turn of the event loop sees both that the peer has
    answered and that the time is over, and `asyncio.timeout` cancels the body. Here the time runs in ten steps, so
    a stall of any length counts as one of them.
    """

    __slots__ = ("_handle", "_left", "_step_seconds", "_timeout")

    def __init__(self, seconds: float) -> None:
        self._step_seconds = seconds / _STEPS
        self._left = _STEPS
        self._timeout = asyncio.timeout(None)
        self._handle: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._wait()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()
        await self._timeout.__aexit__(kind, error, traceback)

    def shorten(self, seconds: float) -> None:
        """End the body in at most `seconds` from now."""
        if seconds < self._left * self._step_seconds:
            self._stop()
            self._step_seconds, self._left = seconds / _STEPS, _STEPS
            self._wait()

    def _stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _wait(self) -> None:
        self._handle = asyncio.get_running_loop().call_later(self._step_seconds, self._step)

    def _step(self) -> None:
        self._left -= 1
        if self._left:
            self._wait()
        else:
            self._timeout.reschedule(asyncio.get_running_loop().time())
