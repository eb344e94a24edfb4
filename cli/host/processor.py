"""Cores, and instruction sets for 8-bit matrix products, on which speed and texts may depend."""

import os
import platform
import subprocess
from pathlib import Path

RELEVANT = (
    "avx2",
    "avx512f",
    "avx_vnni",
    "avx512_vnni",
    "amx_int8",
    "asimddp",
    "i8mm",
)
"""Names in /proc/cpuinfo: `flags` on x86, `Features` on Arm, where `asimddp` is the dot product."""

_MACOS_NAMES = {"hw.optional.arm.FEAT_DotProd": "asimddp", "hw.optional.arm.FEAT_I8MM": "i8mm"}


def available_cores() -> int:
    """Return the cores this process may use; a container may have fewer than the machine."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def instruction_sets() -> tuple[str, ...]:
    """Return those of RELEVANT that this processor has, on Linux and macOS; empty if it is not known."""
    if platform.system() == "Darwin":
        return _of_macos()
    try:
        return instruction_sets_in(Path("/proc/cpuinfo").read_text())
    except OSError:
        return ()


def instruction_sets_in(cpuinfo: str) -> tuple[str, ...]:
    """Return those of RELEVANT that the first processor in the text of /proc/cpuinfo has, in that order."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() in ("flags", "features"):
            has = frozenset(value.split())
            return tuple(one for one in RELEVANT if one in has)
    return ()


def _of_macos() -> tuple[str, ...]:
    asked = ["/usr/sbin/sysctl", "-n"]
    return tuple(
        name
        for key, name in _MACOS_NAMES.items()
        if subprocess.run(  # noqa: S603  # a fixed command
            [*asked, key], capture_output=True, text=True, check=False
        ).stdout.strip()
        == "1"
    )
