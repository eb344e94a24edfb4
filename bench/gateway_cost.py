"""
CPU cost of the gateway per frame, beside the cost of the socket itself.

The gateway runs alone on one core.  The load generator, Valkey and a worker whose engine costs nothing run on the
other.  Each row plays two-channel calls of real speech at 50 frames a second and divides the CPU time of the
gateway by the number of stereo frames, so that other work on the machine disturbs little: compare rows of one run.

`--tree` measures the gateway of another checkout in the same run: before and after.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import structlog
from redis.asyncio import Redis

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.latency import Free
from bench.pinned import cpu_seconds, pinned, resident_mb
from bench.recipe import recipe
from broker.connection import connect
from broker.redis_keys import Partition
from cli.recording import read_recording
from protocol.audio import Encoding, encode
from protocol.settings import RedisSettings
from runtime.local_stack import embedded_valkey
from runtime.process import run_loop
from workers.job_queue import WorkQueue
from workers.settings import WorkerSettings
from workers.worker import Worker

_ROOT = Path(__file__).resolve().parent.parent
_SHIPPED = _ROOT / "cli" / "demo" / "call.wav"
_REAL = _ROOT.parent / "shared" / "audio" / "calls" / "auto-repairs-40.wav"
_SILENCE = b"\xff" * 160 * 500


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one run of the generator against one server."""

    server: str
    dialect: str
    audio: str
    calls: int
    us_per_frame: float
    """CPU time of the server for each stereo frame, in microseconds."""

    busy: float
    """Share of a core."""

    lag_p50_ms: float
    lag_p99_ms: float
    late_p99_ms: float
    """Lateness of the generator itself."""

    rss_mb: float
    rss_empty_mb: float
    commands: float
    """Commands that Redis performed, those inside of scripts included, for each second of each call."""

    kb_in: float
    """KB that Redis received for each second of each call, from gateway and worker; `kb_out`: that it sent."""

    kb_out: float
    failures: int
    by_command: dict[str, float]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Counters at one moment."""

    cpu: float
    wall: float
    commands: dict[str, int]
    received: int
    sent: int


async def snapshot(process: int, redis: Redis | None) -> Snapshot:
    """Read the counters of the server and of Redis."""
    cpu = cpu_seconds(process)
    loop = asyncio.get_running_loop()
    if redis is None:
        return Snapshot(cpu, loop.time(), {}, 0, 0)
    stats: Any = await redis.info("stats")
    commands: Any = await redis.info("commandstats")
    return Snapshot(
        cpu,
        loop.time(),
        {name.removeprefix("cmdstat_"): int(one["calls"]) for name, one in commands.items()},
        stats["total_net_input_bytes"],
        stats["total_net_output_bytes"],
    )


@dataclass(frozen=True, slots=True)
class Load:
    """What is played."""

    dialect: str
    calls: int
    audio: Path
    title: str
    warm_up: float
    seconds: float
    core: int


async def measure(
    name: str, process: int, port: int, load: Load, redis: Redis | None, *, probe: bool
) -> Row:
    """Play `load` against a server."""
    empty = resident_mb(process)
    generator = await asyncio.create_subprocess_exec(
        *(
            "taskset",
            "-c",
            str(load.core),
            sys.executable,
            str(_ROOT / "bench" / "load_generator.py"),
        ),
        *(f"ws://127.0.0.1:{port}", str(load.audio), "--dialect", load.dialect),
        *(
            "--calls",
            str(load.calls),
            "--warm-up",
            str(load.warm_up),
            "--seconds",
            str(load.seconds),
        ),
        *(["--probe"] if probe else []),
        stdout=asyncio.subprocess.PIPE,
    )
    assert generator.stdout is not None
    await generator.stdout.readline()
    before = await snapshot(process, redis)
    last = await generator.stdout.readline()
    after = await snapshot(process, redis)
    resident = resident_mb(process)
    await generator.wait()
    figures = json.loads(last)
    frames = figures["frames"]
    call_seconds = frames / 50
    busy = after.cpu - before.cpu
    by_command = {
        command: round((count - before.commands.get(command, 0)) / call_seconds, 2)
        for command, count in after.commands.items()
        if count > before.commands.get(command, 0)
    }
    lag_p50, lag_p99 = (round(one, 2) for one in figures["lag_ms"])
    return Row(
        name,
        load.dialect,
        load.title,
        load.calls,
        round(1e6 * busy / frames, 1),
        round(busy / (after.wall - before.wall), 3),
        lag_p50,
        lag_p99,
        round(figures["lateness_ms"][1], 2),
        round(resident, 1),
        round(empty, 1),
        round(sum(by_command.values()), 1),
        round((after.received - before.received) / 1e3 / call_seconds, 1),
        round((after.sent - before.sent) / 1e3 / call_seconds, 1),
        len(figures["failures"]),
        dict(sorted(by_command.items(), key=lambda one: -one[1])),
    )


async def gateway_row(name: str, tree: Path, load: Load) -> Row:
    """Measure the gateway of `tree`."""
    async with embedded_valkey() as url:
        redis = connect(RedisSettings(url=url))
        partitions = [Partition(0)]
        worker = Worker(WorkQueue(redis, partitions, "bench"), partitions, Free(), WorkerSettings())
        working = asyncio.ensure_future(worker.run())
        try:
            command = ("-m", "trunkline", "gateway", "--port", "0")
            async with pinned(0, tree, *command, TRUNKLINE_REDIS_URL=url) as (process, port):
                return await measure(name, process, port, load, redis, probe=True)
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await redis.aclose()


async def sink_row(library: str, load: Load) -> Row:
    """Measure a server that only reads."""
    async with pinned(0, _ROOT, str(_ROOT / "bench" / "socket_sink.py"), library) as (
        process,
        port,
    ):
        return await measure(library, process, port, load, None, probe=False)


def print_table(rows: list[Row]) -> None:
    """Print the figures, and each gateway's cost as a multiple of the sink's."""
    print(
        f"\n{'server':<12} {'dialect':<9} {'audio':<8} {'calls':>5} {'us/frame':>9} {'x sink':>7} {'busy':>5}"
        f" {'lag p50/p99 ms':>15} {'gen late':>8} {'RSS MB':>7} {'KB/call':>8} {'cmd/s':>6} {'KB in+out':>12} fail"
    )
    sinks = {
        (one.dialect, one.calls): one.us_per_frame for one in rows if one.server == "websockets"
    }
    for one in rows:
        sink = sinks.get((one.dialect, one.calls))
        times = f"{one.us_per_frame / sink:.1f}" if sink else ""
        print(
            f"{one.server:<12} {one.dialect:<9} {one.audio:<8} {one.calls:>5} {one.us_per_frame:>9.0f} {times:>7}"
            f" {one.busy:>5.2f} {f'{one.lag_p50_ms:.1f}/{one.lag_p99_ms:.1f}':>15} {one.late_p99_ms:>8.1f}"
            f" {one.rss_mb:>7.0f} {1e3 * (one.rss_mb - one.rss_empty_mb) / one.calls:>8.0f} {one.commands:>6.1f}"
            f" {f'{one.kb_in:.0f}+{one.kb_out:.0f}':>12} {one.failures:>4}"
        )


def write_audio(folder: Path, source: Path) -> dict[str, Path]:
    """Write the recordings for the generator: two channels of mu-law, one behind the other."""
    channels = read_recording(source).channels
    speech = b"".join(encode(channels[place % len(channels)], Encoding.MULAW) for place in (0, 1))
    files = {"speech": speech, "silence": 2 * _SILENCE}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return {name: folder / name for name in files}


async def run(options: argparse.Namespace) -> list[Row]:
    """Measure every combination."""
    os.sched_setaffinity(0, {options.core})
    trees = dict(options.tree) or {"gateway": _ROOT}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        files = write_audio(Path(folder), options.audio)
        for calls in options.calls:
            for dialect in options.dialect:
                load = Load(
                    dialect,
                    calls,
                    files["speech"],
                    "speech",
                    options.warm_up,
                    options.seconds,
                    options.core,
                )
                for library in ("websockets", "picows"):
                    if find_spec(library) and not options.no_sink:
                        rows.append(await sink_row(library, load))
                for name, tree in trees.items():
                    rows.append(await gateway_row(name, tree, load))
            if options.silence:
                silent = Load(
                    "native",
                    calls,
                    files["silence"],
                    "silence",
                    options.warm_up,
                    options.seconds,
                    options.core,
                )
                for name, tree in trees.items():
                    rows.append(await gateway_row(name, tree, silent))
            print_table(rows)
    return rows


def _named_tree(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    return name, Path(path).resolve()


def main() -> None:
    """Measure, print and write."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, nargs="+", default=[10])
    parser.add_argument("--dialect", nargs="+", default=["native", "twilio", "deepgram"])
    parser.add_argument(
        "--silence", action="store_true", help="also digital silence on both channels"
    )
    parser.add_argument("--no-sink", action="store_true")
    parser.add_argument(
        "--tree", type=_named_tree, action="append", default=[], help="NAME=PATH of a checkout"
    )
    parser.add_argument("--audio", type=Path, default=_REAL if _REAL.exists() else _SHIPPED)
    parser.add_argument(
        "--warm-up", type=float, default=12.0, help="seconds: line quality costs more at first"
    )
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument(
        "--core", type=int, default=1, help="core of everything but the server, which runs on 0"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if shutil.which("taskset") is None:
        parser.error("taskset is missing: it pins the server to a core (Linux)")
    print(recipe(), f"audio {options.audio.name}", sep="\n", flush=True)
    rows = run_loop(run(options))
    if options.json:
        report = {"recipe": recipe(), "rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
