"""What is costly to make is made once per test run, by the first of its processes that needs it."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name` of this test run, as `make` filled it; processes that come meanwhile wait for it."""
    base = factory.getbasetemp()
    run = (
        base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    )  # pytest-xdist: one base per process
    folder, unfinished = run / name, run / f"{name}.unfinished"
    with (run / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished.mkdir(exist_ok=True)
            make(unfinished)
            unfinished.rename(folder)
    return folder
