"""Huge pages are asked for under the weights of an engine, and change nothing but the time."""

import sys
from pathlib import Path

import numpy as np
import pytest

from workers.engines.common.huge_pages import HUGE, Area, large_areas, use_huge_pages

_ONE = "Size:  {size} kB\nRss:  {rss} kB\nVmFlags: rd wr mr mw me ac\n"


def mapping(start: int, end: int, rest: str, resident: float = 1.0) -> str:
    """One mapping of `/proc/PID/smaps`; `resident`: the share of it that is in use."""
    size = (end - start) // 1_024
    return f"{start:x}-{end:x} {rest}\n" + _ONE.format(size=size, rss=round(size * resident))


@pytest.mark.parametrize(
    ("smaps", "areas"),
    [
        (mapping(HUGE, 5 * HUGE, "rw-p 00000000 00:00 0"), [Area(HUGE, 4 * HUGE)]),
        (mapping(HUGE, 3 * HUGE, "rw-p 00000000 00:00 0 [heap]"), [Area(HUGE, 2 * HUGE)]),
        (mapping(HUGE - 4_096, 3 * HUGE + 4_096, "rw-p 0 00:00 0"), [Area(HUGE, 2 * HUGE)]),
        (mapping(HUGE, 5 * HUGE, "rw-p 0 00:00 0", resident=0.1), []),  # the stack of a thread
        (mapping(HUGE, 5 * HUGE, "r--p 0 08:01 1234 /usr/lib/libc.so.6"), []),
        (mapping(HUGE, 5 * HUGE, "rw-s 0 00:01 77 /dev/shm/shared memory"), []),
        (mapping(HUGE, HUGE + 4_096, "rw-p 0 00:00 0"), []),
        (
            mapping(0, HUGE, "---p 0 00:00 0") + mapping(4 * HUGE, 6 * HUGE, "rw-p 0 00:00 0"),
            [Area(4 * HUGE, 2 * HUGE)],
        ),
        ("", []),
    ],
)
def test_only_memory_that_is_in_use_and_not_of_a_file_gets_huge_pages(
    smaps: str, areas: list[Area]
) -> None:
    assert list(large_areas(smaps)) == areas


@pytest.mark.skipif(sys.platform != "linux", reason="huge pages are asked for on Linux only")
def test_memory_keeps_its_contents() -> None:
    before = np.arange(4 * HUGE, dtype=np.int64)

    use_huge_pages()

    assert np.array_equal(before, np.arange(4 * HUGE, dtype=np.int64))


def test_without_a_list_of_mappings_nothing_happens(tmp_path: Path) -> None:
    assert use_huge_pages(tmp_path / "missing") == 0
