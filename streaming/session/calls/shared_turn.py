"""The turn in which all calls of a gateway write what can wait, to share commands and wake workers once."""

import asyncio
from collections.abc import Callable

TURN_SECONDS = 0.1
"""Seconds between two turns."""

_AT_ONCE = 16
"""Functions called in one turn of the event loop: with more, audio that arrives would wait for long."""


class SharedTurn:
    """Calls functions together, at the next turn of the event loop's clock.  There is no timer while none waits."""

    def __init__(self, seconds: float = TURN_SECONDS) -> None:
        """`seconds`: between two turns."""
        self._seconds = seconds
        self._waiting: list[Callable[[], None]] = []

    def wake(self, one: Callable[[], None]) -> None:
        """Call `one` once, at the next turn."""
        self._waiting.append(one)
        if len(self._waiting) == 1:
            loop = asyncio.get_running_loop()
            turns = loop.time() // self._seconds + 1
            loop.call_at(turns * self._seconds, self._wake_all)

    def _wake_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._wake_some(waiting)

    def _wake_some(self, waiting: list[Callable[[], None]]) -> None:
        for one in waiting[:_AT_ONCE]:
            one()
        if rest := waiting[_AT_ONCE:]:
            asyncio.get_running_loop().call_soon(self._wake_some, rest)
