"""
Memory of a whole gateway for each call: sockets, sessions, tasks, writes to Redis and the allocator included.

    python bench/gateway_memory.py --calls 40 --seconds 30 --tree base=../base

Plays N and then 2 N two-channel calls of the same age, each against a fresh gateway, and divides the difference of
the resident memory (`Rss` of /proc/<pid>/smaps_rollup, Linux) by N: what a gateway needs without calls, and what it
loads with the first of them, does not count.  The engine takes no time.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.recipe import recipe
from cli.bench.command import _SHIPPED, _write_audio
from cli.bench.measurement import play
from cli.bench.row import Load
from cli.bench.servers.targets import Rig, gateway
from runtime.process import run_loop


def resident_kb(pid: int) -> int:
    """Return the resident memory of a process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith("Rss:"))
    return int(found)


async def resident(rig: Rig, load: Load, audio: Path) -> int:
    """Return the resident memory of a gateway at the end of this load, in KB."""
    seen = 0

    async with gateway(rig) as server:
        assert server.pid is not None
        pid = server.pid

        def look(passed: float) -> None:
            nonlocal seen
            if passed < load.warm_up + load.seconds:  # later, the calls end
                seen = resident_kb(pid)

        report, _ = await play(server, load, audio, look)
    if report.open_calls != load.calls:
        raise SystemExit(f"only {report.open_calls} of {load.calls} calls were in progress")
    return seen


def named(text: str) -> tuple[str, Path]:
    """Split NAME=FOLDER."""
    name, _, path = text.partition("=")
    return name, Path(path).resolve()


async def main(options: argparse.Namespace) -> None:
    """Measure other checkouts, and this one, in turns."""
    rigs = [Rig(name, tree=Path(path)) for name, path in options.tree]
    with tempfile.TemporaryDirectory(prefix="trunkline-bench-") as folder:
        _write_audio(Path(folder), _SHIPPED)
        for audio in options.audio:
            for rig in (*rigs, Rig("this")):
                few, many = [
                    await resident(
                        rig,
                        Load("native", calls, audio, options.warm_up, options.seconds),
                        Path(folder) / audio,
                    )
                    for calls in (options.calls, 2 * options.calls)
                ]
                print(
                    f"{rig.name}, {audio}: {few} KB with {options.calls} calls, {many} KB with"
                    f" {2 * options.calls}: {(many - few) / options.calls:.0f} KB for each call",
                    flush=True,
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--audio", nargs="+", default=["silence", "speech"])
    parser.add_argument("--warm-up", type=float, default=10, help="the calls begin in half of it")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--tree", action="append", type=named, default=[], metavar="NAME=FOLDER")
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    print(recipe())
    run_loop(main(parser.parse_args()))
