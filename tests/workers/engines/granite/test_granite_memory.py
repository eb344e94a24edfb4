"""Too little memory, with real allocations that fail: a child process whose address space is limited."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("support.tiny_granite")

CHILD = Path(__file__).parent.parent.parent.parent / "support" / "limited_granite.py"
MEGABYTE = 1 << 20
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


def in_a_child(tiny: Path, room: int, *options: str) -> dict[str, Any]:
    """What the engine answers with at most `room` more bytes than it has after its warm-up."""
    done = subprocess.run(
        [sys.executable, str(CHILD), str(tiny), str(room), *options],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | ONE_THREAD,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def unlimited(tiny: Path) -> dict[str, Any]:
    return in_a_child(tiny, 1 << 40)


def test_a_batch_that_does_not_fit_is_divided_and_no_text_changes(
    tiny: Path, unlimited: dict[str, Any]
) -> None:
    limited = in_a_child(tiny, unlimited["peak"] // 3)

    assert limited["rows"] < unlimited["rows"]
    assert limited["texts"] == unlimited["texts"]


def test_without_any_memory_no_utterance_is_suspected(tiny: Path) -> None:
    assert in_a_child(tiny, 0)["error"] == "EngineMemoryError"
