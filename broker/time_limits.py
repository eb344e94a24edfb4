"""Time limits of asyncio code, for a process that is stopping and for one that was stopped."""

import asyncio
from types import TracebackType
from typing import Self


class TimeLimit:
    """
    Limits the body of an `async with` to `seconds`, without limit if None; raises TimeoutError.

    `asyncio.timeout` of Python 3.11.2, which Debian 12 has, raises CancelledError instead in a task that is being
    cancelled. All tasks of a process that stops are: its last waits would end at once or never.
    """

    __slots__ = ("_cancelling", "_handle", "_is_over", "_seconds", "_task")

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._handle: asyncio.TimerHandle | None = None
        self._is_over = False

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()
        if not self._is_over:
            return
        if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _start(self) -> None:
        if self._seconds is not None:
            self._handle = asyncio.get_running_loop().call_later(self._seconds, self._expire)

    def _stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _expire(self) -> None:
        self._is_over = True
        self._task.cancel()


_STEPS = 10


class PeerTimeLimit(TimeLimit):
    """
    The longest time that a peer may take, for one message that it reads or writes.

    Time in which this process stood still is not counted against the peer: a stopped process, a paused virtual
    machine, a processor that is taken. After such a stall one turn of the event loop sees both that the peer has
    answered and that the time is over, and a simple limit cancels the body. Here the time runs in ten steps, so a
    stall of any length counts as one of them.
    """

    __slots__ = ("_left", "_step_seconds")

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self._step_seconds, self._left = seconds / _STEPS, _STEPS

    def shorten(self, seconds: float) -> None:
        """End the body in at most `seconds` from now."""
        if seconds < self._left * self._step_seconds:
            self._stop()
            self._step_seconds, self._left = seconds / _STEPS, _STEPS
            self._start()

    def _start(self) -> None:
        self._handle = asyncio.get_running_loop().call_later(self._step_seconds, self._step)

    def _step(self) -> None:
        self._left -= 1
        if self._left:
            self._start()
        else:
            self._expire()
