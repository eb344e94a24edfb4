"""CPU time of the current thread."""

import time
from dataclasses import dataclass
from pathlib import Path

_SCHEDSTAT = Path("/proc/thread-self/schedstat")
"""Nanoseconds on a CPU, nanoseconds ready and waiting for one, and time slices: kernel, scheduler/sched-stats."""


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Seconds since the thread began: `used` on a CPU, `waited` ready to run but without a CPU."""

    used: float
    waited: float


def thread_times() -> CpuTimes:
    """Return the times of the calling thread; where the system does not tell, nothing was waited."""
    try:
        used, waited, _ = _SCHEDSTAT.read_text().split()
        return CpuTimes(int(used) / 1e9, int(waited) / 1e9)
    except (OSError, ValueError):
        return CpuTimes(time.thread_time(), 0.0)
