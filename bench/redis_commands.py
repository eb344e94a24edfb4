"""
The commands of Redis per call-second, by the script that performs them.

    python bench/redis_commands.py --calls 20 --tree base=../base

Valkey, a gateway and a worker whose engine takes no time, as `trunkline bench` runs them; `MONITOR` names every
command, those inside of scripts too. MONITOR itself costs Valkey time, so no times are measured here.
"""

import argparse
import asyncio
import contextlib
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.recipe import recipe
from cli.bench.command import _SHIPPED, _write_audio
from cli.bench.measurement import Target, play
from cli.bench.row import Load, row_of
from cli.bench.servers.targets import Rig, gateway
from runtime.process import run_loop

_ROOT = Path(__file__).resolve().parent.parent
_LINE = re.compile(rb'^\+[\d.]+ \[\d+ ([^\]]*)\] "([^"]+)"(?: "([0-9a-f]{40})")?')
_LONGEST_LINE = 64_000_000
_NAMES = """
import hashlib, json
from importlib import import_module
from broker.redis_scripts.lua import Script
found = {}
for module in ("scripts", "leases", "limits"):
    for one in vars(import_module(f"broker.redis_scripts.{module}")).values():
        if isinstance(one, Script):
            found[hashlib.sha1(one.source.encode()).hexdigest()] = one.name
print(json.dumps(found))
"""


@dataclass(slots=True)
class Counts:
    """Commands in the measured window, by script (empty: none) and name."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    counting: bool = False
    _script: str = ""

    def take(self, line: bytes, names: dict[str, str]) -> None:
        """Count one line of MONITOR."""
        if not (found := _LINE.match(line)):
            return
        client, command, sha = found[1], found[2].decode().lower(), (found[3] or b"").decode()
        if client != b"lua":
            self._script = names.get(sha, sha[:8]) if command == "evalsha" else ""
        if self.counting:
            self.counts[self._script, command] += 1


def script_names(tree: Path) -> dict[str, str]:
    """Return the names of the scripts of a checkout, by the SHA-1 of their source."""
    command = [sys.executable, "-c", _NAMES]
    said = subprocess.run(command, cwd=tree, capture_output=True, check=True)
    return msgspec.json.decode(said.stdout, type=dict[str, str])


@contextlib.asynccontextmanager
async def monitoring(server: Target, names: dict[str, str], into: Counts) -> AsyncIterator[None]:
    """Count all commands of the server's Redis."""
    assert server.redis is not None
    path = server.redis.connection_pool.connection_kwargs["path"]
    reader, writer = await asyncio.open_unix_connection(path, limit=_LONGEST_LINE)
    writer.write(b"MONITOR\r\n")

    async def listen() -> None:
        async for line in reader:
            into.take(line, names)

    listening = asyncio.create_task(listen())
    try:
        yield
    finally:
        listening.cancel()
        writer.close()


async def measure(rig: Rig, load: Load, folder: Path) -> None:
    """Measure one gateway, and print its commands per call-second."""
    counts, names = Counts(), script_names(rig.tree or _ROOT)

    def progress(passed: float) -> None:
        counts.counting = load.warm_up <= passed < load.warm_up + load.seconds

    async with gateway(rig) as server, monitoring(server, names, counts):
        report, usage = await play(server, load, folder / load.audio, progress)
    row = row_of(rig.name, load, report, usage)
    print(
        f"\n{rig.name}: {row.redis_commands} commands by INFO commandstats; frame lag p99 {row.lag.p99} ms,"
        f" calls with partials shed: {row.shed_partials}"
    )
    call_seconds = max(report.frames / 50, 1e-9)
    scripts = Counter[str]()
    for (script, _), count in counts.counts.items():
        scripts[script] += count
    for script, total in scripts.most_common():
        inside = Counter(
            {one: count for (of, one), count in counts.counts.items() if of == script}
        ).most_common()
        told = ", ".join(f"{one} {count / call_seconds:.2f}" for one, count in inside)
        print(f"  {script or '(no script)':<20} {total / call_seconds:6.2f}   {told}")


def named(text: str) -> tuple[str, Path]:
    """Split NAME=FOLDER."""
    name, _, path = text.partition("=")
    return name, Path(path).resolve()


async def main(options: argparse.Namespace) -> None:
    """Measure other checkouts, and then this one."""
    rigs = [Rig(name, tree=Path(path)) for name, path in options.tree]
    load = Load("native", options.calls, options.audio, options.warm_up, options.seconds)
    with tempfile.TemporaryDirectory(prefix="trunkline-bench-") as folder:
        _write_audio(Path(folder), _SHIPPED)
        for rig in (*rigs, Rig("this")):
            await measure(rig, load, Path(folder))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--audio", choices=("speech", "silence"), default="speech")
    parser.add_argument("--warm-up", type=float, default=8)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--tree", action="append", type=named, default=[], metavar="NAME=FOLDER")
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    print(recipe())
    run_loop(main(parser.parse_args()))
