"""
Compare Trunkline with WhisperLive on this machine: the same call, played in real time, one server after the other.

    python -m bench.peers.compare --calls 1 2 4 [--whisper FOLDER] [--engines moonshine whisper]

WhisperLive is installed in `.venv-peers/whisper-live` at the first run.  The shipped call with two channels is
played, as a telephone line gives it.  `first text`: seconds from the start of a turn until any text of it was told;
`final`: seconds from its end until a text that covers the end and does not change any more.  CPU seconds: of all
processes of the server.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.peers.clients import RefusedError, play_trunkline, play_whisper_live
from bench.peers.heard import Heard, Turn
from bench.recipe import percentile, recipe
from bench.wer import normalised, word_errors
from cli.bench.servers.server_process import cpu_seconds
from cli.recording import read_recording
from protocol.audio import Pcm

_ROOT = Path(__file__).resolve().parents[2]
_DEMO = _ROOT / "cli" / "demo"
_PEER = _ROOT / ".venv-peers" / "whisper-live"
_READY_SECONDS = 120.0
_APART_SECONDS = 0.7

Play = Callable[[str, str, Sequence[Pcm]], Coroutine[None, None, list[Heard]]]


@dataclass(frozen=True, slots=True)
class Serving:
    """A running server: where it listens, and its process."""

    url: str
    pid: int


def install() -> Path:
    """Make the environment of WhisperLive if it does not exist.  Returns its Python."""
    python = _PEER / "bin" / "python"
    if not (_PEER / ".installed").exists():
        pip = [str(python), "-m", "pip", "install", "--quiet"]
        needs = Path(__file__).with_name("whisper_live.txt")
        subprocess.run([sys.executable, "-m", "venv", str(_PEER)], check=True)
        subprocess.run([*pip, "--requirement", str(needs)], check=True)
        subprocess.run([*pip, "--no-deps", "whisper-live==0.10.0"], check=True)
        (_PEER / ".installed").touch()
    return python


@asynccontextmanager
async def _server(
    *command: str, url: str, port: int, folder: Path, home: Path | None = None
) -> AsyncIterator[Serving]:
    """Run a server until the context ends; wait until its port answers."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=ours | {"XDG_DATA_HOME": str(folder), "HOME": str(home or Path.home())},
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        await _until_open(port, process)
        yield Serving(url, process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 20.0)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _until_open(port: int, process: asyncio.subprocess.Process) -> None:
    loop = asyncio.get_running_loop()
    ends = loop.time() + _READY_SECONDS
    while loop.time() < ends and process.returncode is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.2)
        else:
            writer.close()
            return
    raise RuntimeError(f"the server did not open port {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Rig:
    """One system: its name, its server, and the client that plays a call."""

    name: str
    serving: AbstractAsyncContextManager[Serving]
    play: Play


def _trunkline(engine: str, folder: Path) -> Rig:
    port = _free_port()
    command = [sys.executable, "-m", "trunkline", "up", "--port", str(port), "--engine", engine]
    serving = _server(*command, url=f"ws://127.0.0.1:{port}", port=port, folder=folder)
    return Rig(f"trunkline {engine}", serving, play_trunkline)


def _whisper_live(python: Path, model: Path, calls: int, folder: Path) -> Rig:
    port = _free_port()
    script = Path(__file__).with_name("whisper_live_server.py")
    command = [str(python), str(script), str(port), str(model), str(2 * calls)]
    serving = _server(*command, url=f"ws://127.0.0.1:{port}", port=port, folder=folder, home=folder)
    return Rig("whisper-live base", serving, play_whisper_live)


def _processes(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += _processes(int(child))
    return found


def _cpu(pid: int) -> float:
    return sum(map(cpu_seconds, _processes(pid)))


async def _measure(rig: Rig, calls: int, channels: Sequence[Pcm], turns: list[list[Turn]]) -> str:
    """Play `calls` calls, each a little later, and return a line of the table."""
    async with rig.serving as serving:
        await rig.play(serving.url, "warm-up", [pcm[: 8 * 8_000] for pcm in channels])
        before = _cpu(serving.pid)
        async with asyncio.TaskGroup() as tasks:
            playing: list[asyncio.Task[list[Heard]]] = []
            for number in range(calls):
                playing.append(tasks.create_task(rig.play(serving.url, f"call-{number}", channels)))
                await asyncio.sleep(_APART_SECONDS)
        used = _cpu(serving.pid) - before
    heard = [one.result() for one in playing]
    pairs = [
        (
            normalised(" ".join(turn.text for turn in turns[number]), "en"),
            normalised(channel.text, "en"),
        )
        for call in heard
        for number, channel in enumerate(call)
    ]
    minutes = calls * len(channels[0]) / 8_000 / 60
    told = [
        (one, turn)
        for call in heard
        for one, said in zip(call, turns, strict=True)
        for turn in said
    ]
    first = [channel.first_text(turn) for channel, turn in told]
    final = [channel.final(turn) for channel, turn in told]
    return (
        f"| {rig.name} | {calls} | {_figures(first)} | {_figures(final)} | {used / minutes:.1f}"
        f" | {word_errors(pairs).rate:.1%} |"
    )


def _figures(delays: Sequence[float | None]) -> str:
    """Return median and 95th percentile, and how many of the turns were never told."""
    told = [delay for delay in delays if delay is not None]
    missing = (
        f" ({len(delays) - len(told)} of {len(delays)} never)" if len(told) < len(delays) else ""
    )
    return (
        f"{percentile(told, 0.5):.2f} / {percentile(told, 0.95):.2f}{missing}" if told else "never"
    )


async def _run(options: argparse.Namespace) -> None:
    script = json.loads((_DEMO / "script.json").read_text())
    channels = [
        np.asarray(pcm, dtype=np.int16) for pcm in read_recording(_DEMO / "call.wav").channels
    ]
    turns = [
        [
            Turn(turn["start"], turn["end"], turn["text"])
            for turn in script["turns"]
            if turn["channel"] == number
        ]
        for number in range(len(channels))
    ]
    python = install() if options.whisper else None
    print(recipe())
    print(
        "| | calls | first text p50 / p95, s | final p50 / p95, s | CPU s a call-minute | words wrong |"
    )
    print("|---|---|---|---|---|---|", flush=True)
    for calls in options.calls:
        for engine in options.engines:
            with tempfile.TemporaryDirectory() as folder:
                rig = _trunkline(engine, Path(folder))
                print(await _measure(rig, calls, channels, turns), flush=True)
        if python:
            with tempfile.TemporaryDirectory() as folder:
                rig = _whisper_live(python, options.whisper.absolute(), calls, Path(folder))
                try:
                    print(await _measure(rig, calls, channels, turns), flush=True)
                except* RefusedError:
                    print(f"| {rig.name} | {calls} | refused | | | |", flush=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--engines", nargs="*", default=["moonshine"], help="engines of Trunkline")
    parser.add_argument(
        "--whisper", type=Path, help="folder of a faster-whisper model, for WhisperLive"
    )
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
