"""
Huge pages for the weights of an engine on the CPU.

A run of Moonshine's decoder reads 38 MB of weights once: 9,500 pages of 4 KiB, more than the processor keeps the
addresses of, and hardware prefetching ends at each page.  With pages of 2 MiB a final takes 8 % less CPU time
(docs/benchmarks.md).  Most distributions give them to those who ask (`transparent_hugepage/enabled`: `madvise`).
"""

import ctypes
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HUGE = 2 << 20
"""Bytes of a huge page of x86-64, and of ARM64 with small pages of 4 KiB."""

_MAPPINGS = Path("/proc/self/smaps")
_ADVISE_HUGE, _COLLAPSE = 14, 25
"""
`MADV_HUGEPAGE` and `MADV_COLLAPSE` of madvise(2).

The first allows the kernel to use huge pages, which it does for present memory in the course of minutes.  The
second, since Linux 6.1, does it at once; an older kernel refuses it.
"""


@dataclass(frozen=True, slots=True)
class Area:
    """Whole huge pages of a mapping: first address and number of bytes."""

    start: int
    size: int


def large_areas(smaps: str) -> Iterator[Area]:
    """
    Yield the anonymous memory of a process that huge pages suit: mappings that are nearly all in use.

    `smaps`: text of `/proc/PID/smaps`, see proc(5).
    """
    start = end = 0
    for words in map(str.split, smaps.splitlines()):
        if "-" in words[0] and not words[0].endswith(":"):
            start, end = (int(bound, 16) for bound in words[0].split("-"))
            name = words[5] if len(words) > 5 else ""
            if not words[1].startswith("rw") or name not in ("", "[heap]"):
                start = end
        elif words[0] == "Rss:" and end > start:
            first, last = -(-start // HUGE) * HUGE, end // HUGE * HUGE
            if last > first and 1_024 * int(words[1]) >= (end - start) * 9 // 10:
                yield Area(first, last - first)


def use_huge_pages(mappings: Path = _MAPPINGS) -> int:
    """
    Ask the kernel for huge pages under the large memory of this process, after its weights are loaded.

    Returns the bytes for which the kernel accepts it; 0 on systems other than Linux, or where it is not possible.
    Contents and amount of the memory stay as they are.  `mappings`: `/proc/self/smaps`.
    """
    if sys.platform != "linux":
        return 0
    try:
        smaps = mappings.read_text("utf-8", errors="replace")
    except OSError:
        return 0
    return sum(area.size for area in list(large_areas(smaps)) if _advise(area))


def _advise(area: Area) -> bool:
    """Whether the kernel accepts the advice; that it may refuse to act at once does not matter."""
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    if madvise(area.start, area.size, _ADVISE_HUGE) != 0:
        return False
    madvise(area.start, area.size, _COLLAPSE)
    return True
