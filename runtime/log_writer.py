"""Write log lines in a separate thread, so that a pipe that is not read does not block the process."""

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable

_MOST_WAITING = 1_000
"""Most lines in the queue; further lines are discarded and counted."""


class LogWriter:
    """A structlog logger that writes to a file descriptor, which may be a pipe that is not read."""

    def __init__(self, descriptor: int, most_waiting: int = _MOST_WAITING) -> None:
        self._descriptor = descriptor
        self._waiting: queue.Queue[str] = queue.Queue(most_waiting)
        self._left_out = 0
        self._complain: Callable[[int], None] | None = None
        threading.Thread(target=self._run, daemon=True, name="log").start()

    def msg(self, line: str) -> None:
        """Queue a line.  Never blocks: the line is discarded if the queue is full."""
        try:
            self._waiting.put_nowait(line)
        except queue.Full:
            self._left_out += 1

    debug = info = warning = error = critical = exception = msg

    def complain_by(self, complain: Callable[[int], None]) -> None:
        """Set a callback that gets the number of discarded lines when there is room again."""
        self._complain = complain

    def finish(self, patience: float = 1.0) -> None:
        """Wait until all lines are written, at most `patience` seconds."""
        end = time.monotonic() + patience
        with self._waiting.all_tasks_done:
            while self._waiting.unfinished_tasks and (left := end - time.monotonic()) > 0:
                self._waiting.all_tasks_done.wait(left)

    def _run(self) -> None:
        while True:
            line = self._waiting.get()
            with contextlib.suppress(OSError):  # the reader is gone
                self._write(f"{line}\n".encode(errors="backslashreplace"))
            left_out, self._left_out = self._left_out, 0
            if left_out and self._complain:
                self._complain(left_out)
            self._waiting.task_done()

    def _write(self, data: bytes) -> None:
        """Write to the descriptor, not to `sys.stderr`, whose lock would be held while the pipe is full."""
        while data:
            data = data[os.write(self._descriptor, data) :]
