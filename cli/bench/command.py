"""The command `bench`: plays loads, shows progress, and prints what was found."""

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import structlog

from protocol.audio import Encoding, encode
from protocol.operator_error import OperatorError
from runtime.process import run_loop

from ..common import progress_bar
from ..recording import read_recording
from . import plot, report
from .capacity import CapacitySearch
from .load_generator.websocket_client import Server
from .machine import machine, product
from .measurement import Target, play
from .percentiles import Slo, parse_slo
from .row import Load, Row, row_of
from .servers.targets import Rig, gateway, running_gateway, sink

_SHIPPED = Path(__file__).parent.parent / "demo" / "call.wav"
_SILENT_SECONDS = 10
_LIMITS = {"lag": "p99 lag < 20 ms", "final": "p95 final < 1.5 s"}
"""Objectives where none is given: for the gateway alone, and with an engine."""


_Server = Callable[[], AbstractAsyncContextManager[Target]]
"""Runs a server while it is measured."""


class BenchError(OperatorError):
    """The bench cannot be run as asked.  The text says why."""


@dataclass(slots=True)
class Bench:
    """One run of the command."""

    options: argparse.Namespace
    folder: Path
    slo: Slo
    rows: list[Row] = field(default_factory=list)
    capacities: list[report.Capacity] = field(default_factory=list)

    async def run(self) -> None:
        """Measure every load that was asked for."""
        for dialect in self.options.dialect:
            if self.options.find_capacity:
                await self._find_capacity(dialect)
            else:
                for calls in self.options.calls:
                    await self._measure_all(self._load(dialect, calls))
        if self.options.silence:
            for calls in self.options.calls:
                await self._measure_all(self._load("native", calls, "silence"))

    async def _find_capacity(self, dialect: str) -> None:
        await self._sinks(self._load(dialect, self.options.calls[0]))
        for name, target in self._gateways().items():
            processes = self._processes.get(name, 1)
            search = CapacitySearch(self.options.calls[0], self.options.most_calls)
            while not search.is_over:
                search.take(met=await self._holds(target, self._load(dialect, search.calls)))
            self.capacities.append(report.Capacity(name, dialect, self.slo, search.held, processes))

    @property
    def _processes(self) -> dict[str, int]:
        """The numbers of processes of this checkout's gateways, by name."""
        return {_name(count): count for count in self.options.processes}

    async def _holds(self, target: _Server, load: Load) -> bool:
        """Return whether the gateway holds all calls and meets the objective."""
        row, met = await self._measure(target, load)
        return met and row.held == load.calls and not row.lost

    async def _measure_all(self, load: Load) -> None:
        await self._sinks(load)
        for target in self._gateways().values():
            await self._measure(target, load)

    async def _sinks(self, load: Load) -> None:
        """Measure the cost of the socket itself with the same frames."""
        if self.options.no_sink or self.options.url:
            return
        for library in ("websockets", "picows"):
            if find_spec(library):
                await self._measure(partial(sink, library), load)

    def _gateways(self) -> Mapping[str, _Server]:
        """The gateways to measure by name: first those of other checkouts, then this one."""
        options = self.options
        if options.url:
            return {options.url: partial(running_gateway, options.url, options.key)}
        served = partial(
            Rig, engine=options.engine, workers=options.workers, threads=options.threads
        )
        trees = [
            served(name, tree=Path(path).resolve()) for name, path in map(_named, options.tree)
        ]
        shared = partial(served, refuses=options.overload)
        rigs = [shared(name, processes=count) for name, count in self._processes.items()]
        found = {one.name: partial(gateway, one) for one in (*trees, *rigs)}
        if len(found) < len(trees) + len(rigs):
            raise BenchError(
                f"--tree: each needs a name of its own, and none of {', '.join(self._processes)}"
            )
        return found

    async def _measure(self, target: _Server, load: Load) -> tuple[Row, bool]:
        """Measure one row.  Returns it, and whether the objective is met."""
        duration = load.warm_up + load.seconds
        async with target() as server:
            title = f"{server.name}, {load.dialect}, {load.calls} calls"
            with progress_bar(title) as progress:
                seen, used = await play(
                    server,
                    load,
                    self.folder / load.audio,
                    lambda passed: progress(passed / duration),
                )
        row = row_of(server.name, load, seen, used)
        self.rows.append(row)
        print(report.line(row, self.rows), flush=True)
        return row, self.slo.is_met(
            {"lag": seen.lag, "final": seen.final, "added": seen.added, "partial": seen.partial}
        )

    def _load(self, dialect: str, calls: int, audio: str = "speech") -> Load:
        options = self.options
        listens = options.engine is not None or self.slo.metric != "lag"
        return Load(dialect, calls, audio, options.warm_up, options.seconds, listens)


def bench(options: argparse.Namespace) -> int:
    """Play calls in real time and say what they cost, or how many a gateway holds."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    slo = parse_slo(options.slo or _LIMITS["final" if options.engine else "lag"])
    if options.url:
        Server.of(options.url)  # raises for a URL that the generator cannot use
    recipe = {
        "machine": machine(),
        "version": product(),
        "command": shlex.join(["trunkline", *sys.argv[1:]]),
        "audio": Path(options.audio or _SHIPPED).name,
    }
    print(*(f"{name}: {text}" for name, text in recipe.items()), sep="\n")
    print(f"\n{report.HEAD}", flush=True)
    with tempfile.TemporaryDirectory(prefix="trunkline-bench-") as folder:
        _write_audio(Path(folder), Path(options.audio or _SHIPPED))
        running = Bench(options, Path(folder), slo)
        try:
            run_loop(running.run())
        finally:  # a run that was interrupted has figures as well
            _finish(running, recipe)
    return 1 if any(row.lost or row.refused_untold for row in running.rows) else 0


def _finish(done: Bench, recipe: dict[str, str]) -> None:
    """Print the settings, and write the files."""
    for one in done.capacities:
        print(f"\n{one.server}, {one.dialect}: {one.held} calls meet {one.slo}")
    others = {_named(text)[0] for text in done.options.tree}
    own = [one for one in done.capacities if one.server not in others]
    if text := report.settings(own):
        print(f"\nTo refuse calls above that, put into the configuration file:\n\n{text}")
    if done.options.json:
        found = report.as_json(recipe, done.rows, done.capacities)
        Path(done.options.json).write_text(json.dumps(found, indent=1))
    if done.options.plot and not plot.can_plot():
        print(plot.MISSING)
    elif done.options.plot:
        title = f"{recipe['machine']}; {recipe['version']}"
        plot.draw(
            done.rows,
            done.slo if done.options.find_capacity else None,
            title,
            Path(done.options.plot),
        )


def _write_audio(folder: Path, source: Path) -> None:
    """Write what the generators play: two channels of mu-law, one behind the other."""
    channels = read_recording(source).channels
    speech = b"".join(encode(channels[place % len(channels)], Encoding.MULAW) for place in (0, 1))
    (folder / "speech").write_bytes(speech)
    (folder / "silence").write_bytes(b"\xff" * 2 * 8_000 * _SILENT_SECONDS)


def _name(processes: int) -> str:
    return "gateway" if processes == 1 else f"gateway of {processes}"


def _named(text: str) -> tuple[str, str]:
    name, _, path = text.partition("=")
    if not path:
        raise BenchError(f"--tree {text}: write NAME=FOLDER")
    return name, path
