"""Runs a server as a process, on one core if asked, and reads what it uses (Linux)."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from broker.time_limits import TimeLimit
from protocol.operator_error import OperatorError

_READY_SECONDS = 120.0
_STOP_SECONDS = 10.0


class ServerError(OperatorError):
    """A server that is to be measured has not started."""


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A running server: its process id and what it said when it was ready, for most its port."""

    pid: int
    ready: str

    @property
    def port(self) -> int:
        """The port of the server."""
        return int(self.ready)


@asynccontextmanager
async def server_process(
    *command: str,
    core: int | None = None,
    environment: Mapping[str, str] | None = None,
    tree: Path | None = None,
) -> AsyncIterator[ServerProcess]:
    """
    Run a Python program until the context ends.  Raises ServerError if it does not say that it is ready.

    `core`: the only one that it may use; `tree`: checkout whose code it runs, instead of this one.
    """
    ready, told = os.pipe()
    ours, alive = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command),
        env={
            **os.environ,
            **({"PYTHONPATH": str(tree)} if tree else {}),
            **(environment or {}),
            "TRUNKLINE_READY_FD": str(told),
            "TRUNKLINE_ALIVE_FD": str(ours),
        },
        cwd=tree,
        pass_fds=[told, ours],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    os.close(told)
    os.close(ours)
    confine(process.pid, core)
    try:
        yield ServerProcess(process.pid, await _first_line(ready, command))
    finally:
        await _end(process)
        os.close(alive)


def confine(pid: int, core: int | None) -> None:
    """Let a process run on this core only, where the system can do that; None: on all."""
    if core is not None and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(pid, {core})


async def _first_line(ready: int, command: tuple[str, ...]) -> str:
    with os.fdopen(ready) as said:
        async with TimeLimit(_READY_SECONDS):
            line = (await asyncio.to_thread(said.readline)).strip()
    if not line:
        raise ServerError(f"`{' '.join(command)}` did not start: run it alone to see why")
    return line


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with TimeLimit(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def family(pid: int) -> list[int]:
    """Return a process and its children: those of a gateway of several processes."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *map(int, children)]


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, user and system (proc(5)); nan where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def waited_seconds(pid: int) -> float:
    """Time for which the main thread was ready to run but without a core; nan where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError):
        return float("nan")


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MB; nan where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
