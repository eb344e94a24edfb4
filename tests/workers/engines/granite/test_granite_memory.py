"""Too little memory, with real allocations that fail: a child process whose address space is limited."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("support.tiny_granite")
pytestmark = pytest.mark.long

CHILD = Path(__file__).parent.parent.parent.parent / "support" / "limited_granite.py"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


@pytest.fixture(scope="module")
def runs(tiny: Path) -> dict[str, dict[str, Any]]:
    """What the engine answers with unlimited memory, with a third of what it used then, and without any."""
    done = subprocess.run(
        [sys.executable, str(CHILD), str(tiny)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | ONE_THREAD,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


def test_a_batch_that_does_not_fit_is_divided_and_no_text_changes(
    runs: dict[str, dict[str, Any]],
) -> None:
    limited, unlimited = runs["limited"], runs["unlimited"]

    assert limited["rows"] < unlimited["rows"]
    assert limited["texts"] == unlimited["texts"]


def test_without_any_memory_no_utterance_is_suspected(runs: dict[str, dict[str, Any]]) -> None:
    assert runs["without"]["error"] == "EngineMemoryError"
