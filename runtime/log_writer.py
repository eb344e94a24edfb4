"""Log lines are written by a thread of their own: whoever does not read them holds up nobody."""

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable

_MOST_WAITING = 1_000
"""Lines; those behind are left out, and counted."""


class LogWriter:
    """What structlog calls a logger, over a file descriptor that may be a pipe nobody reads."""

    def __init__(self, descriptor: int, most_waiting: int = _MOST_WAITING) -> None:
        self._descriptor = descriptor
        self._waiting: queue.Queue[str] = queue.Queue(most_waiting)
        self._left_out = 0
        self._complain: Callable[[int], None] | None = None
        threading.Thread(target=self._run, daemon=True, name="log").start()

    def msg(self, line: str) -> None:
        """Have a line written as soon as there is room; never waits."""
        try:
            self._waiting.put_nowait(line)
        except queue.Full:
            self._left_out += 1

    debug = info = warning = error = critical = exception = msg

    def complain_by(self, complain: Callable[[int], None]) -> None:
        """`complain` is told how many lines were left out, when there is room again."""
        self._complain = complain

    def finish(self, patience: float = 1.0) -> None:
        """Wait until everything is written, or `patience` seconds."""
        end = time.monotonic() + patience
        with self._waiting.all_tasks_done:
            while self._waiting.unfinished_tasks and (left := end - time.monotonic()) > 0:
                self._waiting.all_tasks_done.wait(left)

    def _run(self) -> None:
        while True:
            line = self._waiting.get()
            with contextlib.suppress(OSError):  # nobody will read it ever
                self._write(f"{line}\n".encode(errors="backslashreplace"))
            left_out, self._left_out = self._left_out, 0
            if left_out and self._complain:
                self._complain(left_out)
            self._waiting.task_done()

    def _write(self, data: bytes) -> None:
        """Not by way of `sys.stderr`, whose lock would be held while the pipe is full."""
        while data:
            data = data[os.write(self._descriptor, data) :]
