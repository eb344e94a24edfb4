"""An event loop whose clock jumps to the next timer instead of waiting."""

import asyncio
import selectors


class JumpingLoop(asyncio.SelectorEventLoop):
    """Runs timers in their order, at their times by `time`, without any wait."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Return the seconds since the start of the loop."""
        return self.now


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.now += timeout or 0.0
        return super().select(0)
