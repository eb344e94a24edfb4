"""Plays one load against one server with generators in processes of their own, and reads what the server used."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from redis.asyncio import Redis

from streaming.settings import GatewaySettings

from .load_generator.load_plan import LoadPlan, LoadReport
from .row import Load, Usage, merged
from .servers.server_process import cpu_seconds, family, resident_mb, waited_seconds

_CALLS_PER_PROCESS = 150
_LEAD_SECONDS = 0.3
"""From the moment when the generators are ready to the first call."""

_SETTLE_SECONDS = 30.0
_TICK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Target:
    """A running server.  `pid`: None if it is not ours; `redis`: None if it is not known."""

    name: str
    url: str
    pid: int | None = None
    redis: Redis | None = None
    key: str = ""
    is_gateway: bool = True
    """Whether it is a gateway, not a server that only reads."""

    workers: tuple[int, ...] = ()
    """The processes of the workers that serve it, as far as they are ours."""


@dataclass(frozen=True, slots=True)
class _Counters:
    cpu: float
    waited: float
    wall: float
    commands: dict[str, int]
    received: int
    sent: int
    workers: float
    """CPU time of the workers."""


async def play(
    target: Target, load: Load, audio: Path, progress: Callable[[float], None]
) -> tuple[LoadReport, Usage]:
    """Play `load` and return what was seen and used.  `progress` takes the seconds that have passed."""
    empty = _sum(resident_mb, target)
    async with AsyncExitStack() as stack:
        shares = _shares(target, load)
        processes = [await stack.enter_async_context(_generator()) for _ in shares]
        plans = _plans(target, load, audio, shares)
        started = time.monotonic()
        generating = [
            asyncio.ensure_future(_generate(process, plan))
            for process, plan in zip(processes, plans, strict=True)
        ]
        await _until(plans[0].measured_from, started, progress)
        before = await _counters(target)
        await _until(plans[0].ends, started, progress)
        after = await _counters(target)
        resident = _sum(resident_mb, target)
        report = merged(await asyncio.gather(*generating))
        if not target.is_gateway:
            report.calls.clear()  # it took none
    return report, _usage(target, before, after, resident, empty)


def _shares(target: Target, load: Load) -> list[tuple[int, int]]:
    """
    Share the calls among as many generators as they need.  Returns the first call and the number of each.

    The probe has a generator without calls, so that it waits for no frames of theirs.
    """
    shares = [
        (first, min(_CALLS_PER_PROCESS, load.calls - first))
        for first in range(0, load.calls, _CALLS_PER_PROCESS)
    ]
    return [*shares, (0, 0)] if target.is_gateway else shares


def _plans(
    target: Target, load: Load, audio: Path, shares: Sequence[tuple[int, int]]
) -> list[LoadPlan]:
    """Return the plan of each generator."""
    begins = time.monotonic() + _LEAD_SECONDS
    endpointing = GatewaySettings().endpointing
    return [
        LoadPlan(
            target.url,
            load.dialect,
            str(audio),
            calls,
            begins + first * load.warm_up / 2 / load.calls,
            load.warm_up / 2 * calls / load.calls,
            begins + load.warm_up,
            begins + load.warm_up + load.seconds,
            _SETTLE_SECONDS if target.is_gateway else 0.0,
            endpointing.hangover_ms - endpointing.kept_ms,
            first,
            target.key,
            probe=not calls,
            listens=load.listens,
        )
        for first, calls in shares
    ]


@asynccontextmanager
async def _generator() -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a generator that waits for its plan; it is killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.bench.load_generator.generator"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None  # it is a pipe
    try:
        await process.stdout.readline()  # it is ready
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _generate(process: asyncio.subprocess.Process, plan: LoadPlan) -> LoadReport:
    """Let a generator play its plan."""
    said, _ = await process.communicate(msgspec.json.encode(plan))
    return msgspec.json.decode(said, type=LoadReport)


async def _until(moment: float, since: float, progress: Callable[[float], None]) -> None:
    while (left := moment - time.monotonic()) > 0:
        await asyncio.sleep(min(left, _TICK_SECONDS))
        progress(time.monotonic() - since)


def _sum(measured: Callable[[int], float], target: Target) -> float:
    """Return the sum over all processes of a server; nan if it is not ours."""
    return sum(map(measured, family(target.pid))) if target.pid else float("nan")


async def _counters(target: Target) -> _Counters:
    cpu, waited = _sum(cpu_seconds, target), _sum(waited_seconds, target)
    workers = sum(cpu_seconds(pid) for worker in target.workers for pid in family(worker))
    now = time.monotonic()
    if target.redis is None:
        return _Counters(cpu, waited, now, {}, 0, 0, workers)
    stats: Any = await target.redis.info("stats")
    commands: Any = await target.redis.info("commandstats")
    counts = {name.removeprefix("cmdstat_"): int(one["calls"]) for name, one in commands.items()}
    received, sent = stats["total_net_input_bytes"], stats["total_net_output_bytes"]
    return _Counters(cpu, waited, now, counts, received, sent, workers)


def _usage(
    target: Target, before: _Counters, after: _Counters, resident: float, empty: float
) -> Usage:
    return Usage(
        after.cpu - before.cpu,
        after.waited - before.waited,
        after.wall - before.wall,
        resident,
        empty,
        {name: count - before.commands.get(name, 0) for name, count in after.commands.items()},
        after.received - before.received,
        after.sent - before.sent,
        after.workers - before.workers if target.workers else float("nan"),
    )
