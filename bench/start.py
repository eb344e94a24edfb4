"""
Measure how long `trunkline` takes to start: `python bench/start.py PYTHON [PYTHON ...]`, in turn for each PYTHON.

Each PYTHON is that of an environment with Trunkline.  Prints wall and CPU time (of all parts, until they have
stopped) of `--help`, of the first `up` with an empty cache, and of `up` with prepared weights.  On a machine with
other work compare the CPU time.
"""

import argparse
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from tempfile import TemporaryDirectory


@dataclass(frozen=True, slots=True)
class Start:
    """One start: seconds until it answered, and CPU seconds until it had ended."""

    wall: float
    cpu: float


def main() -> None:
    """Print a line for each start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", nargs="+", type=Path)
    parser.add_argument("--repeats", type=int, default=4)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        _measure("--help", options.python, Path(folder), options.repeats, _help)
        _measure("up, cold", options.python, Path(folder), 1, _up)
        _measure("up, warm", options.python, Path(folder), options.repeats, _up)


def _measure(
    what: str,
    pythons: Sequence[Path],
    folder: Path,
    repeats: int,
    run: Callable[[Path, Mapping[str, str]], float],
) -> None:
    for _ in range(repeats):
        for number, python in enumerate(pythons):
            before = _cpu()
            wall = run(python.absolute(), _environment(folder / str(number)))
            print(what, python, Start(round(wall, 2), round(_cpu() - before, 2)), flush=True)


def _help(python: Path, environment: Mapping[str, str]) -> float:
    began = time.monotonic()
    command = [str(python), "-m", "trunkline", "--help"]
    subprocess.run(command, env=environment, cwd="/", stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


def _up(python: Path, environment: Mapping[str, str]) -> float:
    began = time.monotonic()
    command = [str(python), "-m", "trunkline", "up", "--port", "0"]
    with subprocess.Popen(
        command,
        env=environment,
        cwd="/",
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        wall = next(
            time.monotonic() - began for line in process.stdout if "Trunkline is up" in line
        )
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    return wall


def _environment(folder: Path) -> dict[str, str]:
    """An own cache and store; compiled files are written, as for a user."""
    ours = ("TRUNKLINE_", "PYTHONDONTWRITEBYTECODE")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return clean | {"XDG_CACHE_HOME": str(folder / "cache"), "XDG_DATA_HOME": str(folder / "data")}


def _cpu() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
