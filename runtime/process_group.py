"""Run several processes of one part: start them together, restart those that die, pass signals on to all."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from .child_process import ChildProcess, live_as_part
from .restart import Ready, RestartingProcess, StackError
from .supervisor import CRASHES

_START_SECONDS = 120.0

logger = structlog.get_logger()


class _StoppedError(Exception):
    """A process has ended after it was told to stop."""


class ProcessGroup:
    """
    Processes that serve together.

    A process that dies is restarted.  If one crashes repeatedly, the group ends: its operator must act.
    """

    def __init__(self, members: Sequence[ChildProcess], stop_seconds: float) -> None:
        """`stop_seconds`: time after `stop` after which processes that have not ended are killed."""
        self._members = members
        self._stop_seconds = stop_seconds
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._serving: list[asyncio.Task[None]] = []
        self._is_stopping = False
        self._worst = 0

    async def run(self, say_ready: Callable[[str], None]) -> int:
        """
        Run until `stop` has been called and all processes have ended.  Returns the exit status of the group.

        `say_ready` is called once, when all processes are ready, with the ready line of one.  Raises StackError, in
        an exception group, if a process never becomes ready or crashes repeatedly.
        """
        lines: list[str] = []

        def count(line: str) -> None:
            lines.append(line)
            if len(lines) == len(self._members):
                say_ready(line)

        async with asyncio.TaskGroup() as tasks:
            self._serving = [
                tasks.create_task(self._serve(number, count))
                for number in range(len(self._members))
            ]
        return self._worst

    def stop(self, number: int) -> None:
        """Send the signal with this number to all processes; none is restarted any more.  May be called again."""
        if not self._is_stopping:
            self._is_stopping = True
            asyncio.get_running_loop().call_later(self._stop_seconds, self._kill)
        for member, serving in enumerate(self._serving):
            if process := self._running.get(member):
                _send(process, number)
            else:  # it waits to be restarted
                serving.cancel()

    def _kill(self) -> None:
        for process in self._running.values():
            logger.error("process_killed", seconds=self._stop_seconds)
            _send(process, signal.SIGKILL)

    async def _serve(self, number: int, ready: Callable[[str], None]) -> None:
        """Keep one process running until it has stopped."""
        name = f"{self._members[number].name} {number}"
        kept = RestartingProcess(name, partial(self._live, number), CRASHES)
        with contextlib.suppress(_StoppedError):
            try:
                ready(await kept.start(_START_SECONDS))
                await kept.until_given_up()
            finally:
                await kept.stop()

    async def _live(self, number: int, ready: Ready) -> int:
        """Run one process once.  Raises _StoppedError if it has ended because the group stops."""

        def started(process: asyncio.subprocess.Process) -> None:
            self._running[number] = process

        try:
            status = await live_as_part(
                self._members[number], None, self._stop_seconds, ready, started
            )
        except StackError:
            if self._is_stopping:
                raise _StoppedError from None
            raise
        finally:
            self._running.pop(number, None)
        if self._is_stopping:
            self._worst = max(self._worst, status if status >= 0 else 128 - status)
            raise _StoppedError
        return status


def _send(process: asyncio.subprocess.Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
