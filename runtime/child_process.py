"""
Run a part once as a child process: readiness, heartbeat and shutdown through three pipes.

TRUNKLINE_ALIVE_FD is the reading end of a pipe from the parent.  When the parent ends for any reason, the pipe
closes and the part stops.  The part writes one line to TRUNKLINE_READY_FD when it is ready.  If the part is
watched, it writes heartbeats to TRUNKLINE_BEAT_FD, and is killed when they stop.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

import structlog

from broker.time_limits import TimeLimit

from .restart import Ready, StackError

_LATE_SECONDS = 1.0
"""Lateness of a timer from which on this process counts as stopped for a while."""

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ChildProcess:
    """One child process: `PROGRAM NAME ARGUMENTS`."""

    name: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = (sys.executable, "-m", "trunkline")
    silence: float | None = None
    """Seconds without a heartbeat after which the part is killed; None for a part without heartbeats."""


async def live_as_part(
    part: ChildProcess,
    log_file: Path | None,
    stop_seconds: float,
    ready: Ready,
    started: Callable[[asyncio.subprocess.Process], None] = lambda _: None,
) -> int:
    """
    Run a part once; returns its exit status.  Raises StackError if it ends before it is ready.

    `started` is called with the process.
    """
    with contextlib.ExitStack() as ours:
        with contextlib.ExitStack() as theirs:  # the ends of the child
            ready_reader, ready_writer = _pipe(ours, theirs)
            heartbeat_reader, heartbeat_writer = _pipe(ours, theirs)
            alive_reader, _ = _pipe(theirs, ours)
            process = await _spawn(part, log_file, ready_writer, heartbeat_writer, alive_reader)
        started(process)
        try:
            with (
                contextlib.closing(await _listen(ready_reader, _ReadyLine(ready))),
                contextlib.closing(await _listen(heartbeat_reader, _Pulse(part, process))),
            ):
                status = await process.wait()
        finally:
            await end_process(process, stop_seconds)
    if not ready.done():
        where = f"see the end of {log_file}" if log_file else "its last lines say why"
        raise StackError(f"the {part.name} ended with status {status} before it was ready: {where}")
    return status


async def end_process(process: asyncio.subprocess.Process, seconds: float) -> None:
    """Send SIGTERM, and SIGKILL if the process has not ended after `seconds`."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with TimeLimit(seconds):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _pipe(reads: contextlib.ExitStack, writes: contextlib.ExitStack) -> tuple[FileIO, FileIO]:
    """Open a pipe; each exit stack closes its own end."""
    reader, writer = os.pipe()
    return (
        reads.enter_context(FileIO(reader, "r")),
        writes.enter_context(FileIO(writer, "w")),
    )


async def _spawn(
    part: ChildProcess, log_file: Path | None, ready: FileIO, heartbeat: FileIO, alive: FileIO
) -> asyncio.subprocess.Process:
    watched = {} if part.silence is None else {"TRUNKLINE_BEAT_FD": str(heartbeat.fileno())}
    os.set_blocking(
        heartbeat.fileno(), False
    )  # the child must not block if the parent does not read
    with contextlib.ExitStack() as opened:
        output = opened.enter_context(log_file.open("ab")) if log_file else None
        return await asyncio.create_subprocess_exec(
            *(*part.program, part.name, *part.arguments),
            env={
                **os.environ,
                **part.environment,
                "TRUNKLINE_READY_FD": str(ready.fileno()),
                "TRUNKLINE_ALIVE_FD": str(alive.fileno()),
                **watched,
            },
            pass_fds=(ready.fileno(), heartbeat.fileno(), alive.fileno()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


async def _listen(pipe: FileIO, segmenter: asyncio.Protocol) -> asyncio.ReadTransport:
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: segmenter, pipe)
    return transport


class _ReadyLine(asyncio.Protocol):
    """Reads the line that a part writes when it is ready.  A part that ends without it was never ready."""

    def __init__(self, ready: Ready) -> None:
        self._ready = ready
        self._said = b""

    def data_received(self, data: bytes) -> None:
        """Resolve `ready` with the first line.  After a restart of the part it is already resolved."""
        self._said += data
        line, newline, _ = self._said.partition(b"\n")
        if newline and not self._ready.done():
            self._ready.set_result(line.decode(errors="replace"))


class _Pulse(asyncio.Protocol):
    """Kills a process whose heartbeats stop.  No limit before the first one, because engines load slowly."""

    def __init__(self, part: ChildProcess, process: asyncio.subprocess.Process) -> None:
        self._part, self._process = part, process
        self._limit: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Restart the timer."""
        self._relax()
        if self._part.silence is not None:
            loop = asyncio.get_running_loop()
            due = loop.time() + self._part.silence
            self._limit = loop.call_at(due, self._expired, due)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer: the process has ended, or the parent stops listening."""
        self._relax()

    def _relax(self) -> None:
        if self._limit is not None:
            self._limit.cancel()

    def _expired(self, due: float) -> None:
        """Kill the process, unless this process itself was stopped: then both were, and no heartbeat is missing."""
        loop = asyncio.get_running_loop()
        if (now := loop.time()) < due + _LATE_SECONDS:
            self._kill()
        elif self._part.silence is not None:
            due = now + self._part.silence
            self._limit = loop.call_at(due, self._expired, due)

    def _kill(self) -> None:
        logger.error("process_hangs", name=self._part.name, silent_seconds=self._part.silence)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
