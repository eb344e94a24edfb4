"""The process of a part: event loop, log, signals, readiness and exit."""

import asyncio
import atexit
import contextlib
import gc
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

import structlog

from .log_fields import LibraryLines, crashed, only_allowed
from .log_writer import LogWriter

_Result = TypeVar("_Result")

logger = structlog.get_logger()

_at_end = contextlib.ExitStack()
atexit.register(_at_end.close)


def run_loop(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run `work` on uvloop if installed: it halves the cost of an audio frame."""
    try:
        import uvloop  # noqa: PLC0415  # absent on Windows
    except ImportError:
        return asyncio.run(work)
    result: _Result = uvloop.run(work)
    return result


async def until_told_to_stop(work: Coroutine[Any, Any, None]) -> None:
    """
    Run `work` until SIGTERM, SIGINT or the end of the parent process cancels it; it may finish its open work.

    A second signal ends the process at once.  Another process then takes over its work, as after a kill.
    """
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, task, 128 + number)
    if (alive := os.environ.get("TRUNKLINE_ALIVE_FD", "")).isdigit():
        loop.add_reader(int(alive), _orphaned, int(alive), task)
    try:
        await task
    except asyncio.CancelledError:
        logger.info("stopped")


def on_every_stop(told: Callable[[int], None]) -> None:
    """
    Call `told` with the number of each SIGTERM and SIGINT, and with that of SIGTERM when the parent process ends.

    Call it in the event loop.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told, number)
    if (alive := os.environ.get("TRUNKLINE_ALIVE_FD", "")).isdigit():

        def orphaned() -> None:
            loop.remove_reader(int(alive))
            told(signal.SIGTERM)

        loop.add_reader(int(alive), orphaned)


def _stop(task: "asyncio.Future[None]", status: int) -> None:
    if isinstance(task, asyncio.Task) and task.cancelling():
        logger.warning("stopped_at_once")
        leave(status)
    task.cancel()


def _orphaned(alive: int, task: "asyncio.Future[None]") -> None:
    """Cancel `task`: the pipe from the parent has closed, so the parent has ended."""
    asyncio.get_running_loop().remove_reader(alive)
    task.cancel()


def on_interrupt() -> asyncio.Event:
    """Return an event that the first Ctrl-C or SIGTERM sets; the second one ends the process at once."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def notify() -> None:
        told.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, notify)
    return told


def collect_garbage_rarely() -> None:
    """
    Exempt what has been loaded so far from garbage collection, and collect after 10,000 new objects, not 700.

    Call it when the process is ready.  Only objects that refer to each other in a cycle wait longer to be freed.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def say_ready(what: str) -> None:
    """Write the ready line `what` to the parent, if there is one."""
    if (descriptor := os.environ.get("TRUNKLINE_READY_FD", "")).isdigit():
        with contextlib.suppress(BrokenPipeError), os.fdopen(int(descriptor), "w") as ready:
            ready.write(
                f"{what}\n"
            )  # the pipe TRUNKLINE_ALIVE_FD reports that the parent has ended


def is_watched() -> bool:
    """Whether a parent supervises this process: kills it if it hangs, and restarts it."""
    return bool(os.environ.get("TRUNKLINE_BEAT_FD"))


def heartbeat() -> None:
    """Send a heartbeat to the parent, if it supervises this process."""
    if (descriptor := os.environ.get("TRUNKLINE_BEAT_FD", "")).isdigit():
        with contextlib.suppress(OSError):  # the parent does not read at the moment, or has ended
            os.write(int(descriptor), b".")


async def heartbeats() -> None:
    """Send a heartbeat each second, until cancelled: the event loop turns."""
    while True:
        heartbeat()
        await asyncio.sleep(1.0)


def leave(status: int) -> NoReturn:
    """End the process at once, without waiting for threads: one of the engine may never return."""
    _at_end.close()
    sys.stdout.flush()
    os._exit(status)


def take_all_files() -> None:
    """Raise the limit of open files to its maximum: each connection needs one, and 1,024 is a common default."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415  # not on Windows

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(
            ValueError, OSError
        ):  # some systems report a hard limit that they do not grant
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def consumer_name() -> str:
    """Return a consumer name that is unique among all processes that read the queue."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


def log_as_json(part: str) -> None:
    """
    Log one JSON object per line to standard error, with permitted fields only and no text of library errors.

    If standard error is not read, lines are discarded and counted.
    """
    log_writer = LogWriter(sys.stderr.fileno())
    log_writer.complain_by(lambda lines: logger.warning("log_lines_dropped", entries=lines))
    _at_end.callback(log_writer.finish)
    logging.basicConfig(level=logging.WARNING, handlers=[LibraryLines()], force=True)
    sys.excepthook = crashed
    structlog.contextvars.bind_contextvars(part=part)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            only_allowed,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=lambda *_: log_writer,
    )
