"""Runs a server on one core and reads what it uses."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def pinned(
    core: int, tree: Path, *command: str, **environment: str
) -> AsyncIterator[tuple[int, int]]:
    """Run a Python program of `tree` on `core`.  Yields its process id and its port."""
    ready, notify = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *("taskset", "-c", str(core), sys.executable, *command),
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree), "TRUNKLINE_READY_FD": str(notify)} | environment,
        pass_fds=[notify],
        stdout=notify,
        stderr=asyncio.subprocess.DEVNULL,
    )
    os.close(notify)
    try:
        with os.fdopen(ready) as said:
            port = int((await asyncio.to_thread(said.readline)).strip())
            yield process.pid, port
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def cpu_seconds(process: int) -> float:
    """CPU time of a process so far, user and system (proc(5))."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mb(process: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
