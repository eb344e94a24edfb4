"""The short version of `make chaos`: real processes killed at random while calls are in progress."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SEED = os.environ.get("TRUNKLINE_CHAOS_SEED", "20261123")


def test_nothing_is_lost_and_nothing_comes_twice_whoever_is_killed() -> None:
    scale = ["--calls", "6", "--segments", "120", "--poison", "1", "--runs", "1"]

    run = subprocess.run(
        [sys.executable, "bench/chaos.py", *scale, "--seed", SEED],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=280,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert "nothing lost, nothing twice, nothing wrong" in run.stdout
