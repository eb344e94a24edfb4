"""What a figure needs beside it: machine, version and load."""

import functools
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..host.processor import instruction_sets


def machine() -> str:
    """Return one line about this machine and its load."""
    has = "+".join(instruction_sets()) or "unknown instruction sets"
    return (
        f"{_processor()} ({has}), {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f}"
    )


def product() -> str:
    """Return name and version of this installation."""
    try:
        return f"trunkline {version('trunkline')}"
    except PackageNotFoundError:
        return "trunkline, not installed"


@functools.cache  # of this process when it began: it confines itself later
def cores() -> tuple[int | None, frozenset[int]]:
    """Return a core for the server that is measured, and those for all else; None if there is only one."""
    if not hasattr(os, "sched_getaffinity"):
        return None, frozenset()
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], frozenset(allowed[1:])) if len(allowed) > 1 else (None, frozenset(allowed))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )
