"""The recipe of a measurement: machine, commit, command; and percentiles."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cli.bench.machine import machine
from cli.bench.percentiles import percentile

__all__ = ["percentile", "recipe"]


def recipe() -> str:
    """One line with the machine, the commit and the command of this measurement."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    ).stdout.strip()
    return f"{machine()}; commit {commit or 'unknown'}; {' '.join(['python', *sys.argv])}"
