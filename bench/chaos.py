"""
Chaos test: kill processes at random while calls run, and count lost, repeated and wrong segments.

Real processes, a real Valkey, real sockets. Each call speaks numbers that can be recognised from the samples
(bench/spoken.py); half of the calls use another language, which only some workers support. Two of three calls use
a bridge that reconnects. The third uses a bridge that cannot: what it sent while its gateway lived must be in the
log.

Meanwhile the test kills gateways, workers, the recorder and Valkey with SIGKILL; stops workers for longer than
their lease and continues them; takes the memory of workers and breaks the weights that they load (`--memory`,
`--model-file`); stops gateways (alone, and together with all workers) for less than
`lost_seconds`; keeps the recorder away for more than a minute; loads the CPU; and sends segments that kill the
worker that reads them (poison). At the end every segment must have exactly one terminal event, the log and every
column of the store must agree, the text must match the digits spoken in that span, and only poison may have
failed.

In every second run Valkey persists its data and may lose the last part of it, as after a power failure; in the
other runs it loses everything.

After a crash of a gateway or of Valkey the next fault waits until the calls have recovered, because two crashes
at once are not promised to be harmless. For the same reason no gateway is killed while the recorder is away.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.bridge import Bridge, CallScript, script
from bench.chaos_result import ChaosResult, evaluate
from bench.faults import Chaos, FaultPlan, stored
from bench.one_way import OneWayBridge
from bench.recipe import recipe
from bench.rig import LOST_SECONDS, Rig, free_ports, rig, running
from broker.connections.connection import connect
from broker.redis_keys import Partition
from protocol.settings import RedisSettings
from runtime.process import run_loop
from transcripts.store import Store

_TURNS_PER_CALL = 150.0
"""
Iterations of the measuring loop that one call at real time costs on one core, with a margin for the load
processes.
"""


async def play(scripts: list[CallScript], seed: int, plan: FaultPlan) -> ChaosResult:
    """Run all calls under faults and evaluate them. The logs of all processes go to `plan.keep`, if it is set."""
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="trunkline-chaos-") as name:
        it = rig(
            Path(name),
            free_ports(2),
            durable=plan.durable,
            languages=plan.languages,
            busy=plan.busy,
            lost_seconds=plan.lost_seconds,
            engines=plan.engines,
            model=_model(Path(name)) if plan.model_file else None,
        )
        async with running(it):
            await all_ready(it)
            bridges = [_bridge(one, it.urls, plan.pace, dice) for one in scripts]
            faults = asyncio.ensure_future(Chaos(it, bridges, dice, plan).run())
            try:
                await asyncio.gather(*(converse(one, bridges, dice) for one in list(bridges)))
            finally:
                faults.cancel()
                await asyncio.gather(faults, return_exceptions=True)
                for process in (*it.workers, *it.gateways):
                    process.signal(signal.SIGCONT)
            if faults.done() and not faults.cancelled() and faults.exception():
                raise faults.exception() or AssertionError
            await it.restart_ended()
            await stored(it)
            if plan.keep:
                _keep(Path(name), plan.keep / f"seed-{seed}", bridges)
            dead = await dead_letters(it)
            store = Store.open(f"sqlite:///{it.folder / 'store.db'}")
            try:
                return evaluate(
                    [one for one in bridges if not is_void(one)], store, dead, it.faults
                )
            finally:
                store.close()


async def all_ready(it: Rig) -> None:
    """Wait until each worker has loaded its engine."""
    while not all(worker.is_ready for worker in it.workers):  # noqa: ASYNC110  # other processes log it
        await asyncio.sleep(0.1)


def _model(folder: Path) -> Path:
    """Write the tiny Granite."""
    from bench.random_granite import TINY, save  # noqa: PLC0415 - seconds to import, for this fault only

    return save(TINY, folder / "model")


def _bridge(said: CallScript, urls: list[str], pace: float, dice: random.Random) -> Bridge:
    """Calls named `t...` use bridges that cannot reconnect."""
    kind = OneWayBridge if said.call_id.startswith("t") else Bridge
    return kind(said, urls, pace, random.Random(dice.random()))


def is_void(bridge: Bridge) -> bool:
    """Return whether the call need not have begun, and did not."""
    return isinstance(bridge, OneWayBridge) and bridge.is_void


async def converse(bridge: Bridge, bridges: list[Bridge], dice: random.Random) -> None:
    """Run one call; where its bridge cannot reconnect, another call sends what is left."""
    if not isinstance(bridge, OneWayBridge):
        return await bridge.run()
    saying = asyncio.ensure_future(bridge.run())
    await bridge.silent.wait()
    name, _, number = bridge.script.call_id.partition("-")
    rest = bridge.rest(f"{name}-{int(number or 0) + 1}")
    if rest:
        following = bridge.followed_by(rest, random.Random(dice.random()))
        bridges.append(following)
        await converse(following, bridges, dice)
    await saying
    return None


def _keep(folder: Path, where: Path, bridges: Sequence[Bridge]) -> None:
    ignored = shutil.ignore_patterns("*.sock")
    shutil.copytree(folder, where, ignore=ignored, dirs_exist_ok=True)
    logs = {bridge.call_id: bridge.log for bridge in bridges}
    (where / "logs.json").write_text(json.dumps(logs))


async def dead_letters(it: Rig) -> int:
    """Return the segments that were given up, as far as Valkey still has them."""
    redis = connect(RedisSettings(url=it.redis_url))
    try:
        return int(await redis.xlen(Partition(0).dead))
    finally:
        await redis.aclose()


def main() -> int:
    """Do `runs` runs, each with its own seed; in every second one Valkey keeps no data."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--calls", type=int, help="default: as many as this machine can bear")
    parser.add_argument(
        "--segments", type=int, default=4_000, help="of all calls of a run together"
    )
    parser.add_argument("--poison", type=int, default=3)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--pace", type=float, default=1.0, help="times real time")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--busy", type=int, default=3, help="loops beside it, from time to time")
    parser.add_argument(
        "--lost-seconds", type=float, default=LOST_SECONDS, help="setting of the gateways"
    )
    parser.add_argument("--recorder-away", type=float, default=80.0, help="seconds; 0: never")
    parser.add_argument(
        "--only-frozen",
        action="store_true",
        help="stop a gateway and all workers together, the loops always beside it, and nothing else",
    )
    parser.add_argument(
        "--keep", metavar="FOLDER", type=Path, help="logs of all processes go there"
    )
    parser.add_argument(
        "--engines",
        default="reader",
        help="of the workers, in turn: reader, granite, vllm; without poison",
    )
    parser.add_argument(
        "--languages", default="en,en,de,de", help="one worker for each of these, en or de"
    )
    parser.add_argument(
        "--between", type=float, default=1.0, help="most seconds between two faults"
    )
    parser.add_argument("--memory", action="store_true", help="workers run out of memory too")
    parser.add_argument(
        "--model-file", action="store_true", help="the weights of Granite workers break too"
    )
    options = parser.parse_args()
    print(recipe())
    calls = options.calls or fitting_calls(options.pace)
    failed = 0
    for run in range(options.runs):
        seed = options.seed + run
        plan = FaultPlan(
            pace=options.pace,
            durable=bool(run % 2),
            busy=options.busy,
            lost_seconds=options.lost_seconds,
            recorder_away=options.recorder_away,
            only_frozen=options.only_frozen,
            keep=options.keep,
            languages=tuple(options.languages.split(",")),
            between=options.between,
            engines=tuple(options.engines.split(",")),
            memory=options.memory,
            model_file=options.model_file,
        )
        print(f"\nseed {seed}, {calls} calls", flush=True)
        scripts = scripts_of(calls, options.segments // calls, options.poison, seed)
        began = time.monotonic()
        result = run_loop(play(scripts, seed, plan))
        memory = "kept its memory" if plan.durable else "forgot everything"
        print(f"valkey {memory}, {time.monotonic() - began:.0f} s")
        print(result.text, flush=True)
        failed += not result.passed
    return 1 if failed else 0


def scripts_of(calls: int, numbers: int, poison: int, seed: int) -> list[CallScript]:
    """Every second call uses the other language, every third one a bridge that cannot reconnect."""
    chance = np.random.default_rng(seed)
    poisonable = [number for number in range(calls) if number % 3 != 2][:poison]
    return [
        script(
            f"{'t' if number % 3 == 2 else 'c'}{number}",
            numbers,
            chance,
            poisoned=number in poisonable,
            language="de" if number % 2 else "en",
        )
        for number in range(calls)
    ]


def fitting_calls(pace: float) -> int:
    """Return the number of calls this machine can process now, from the speed of a plain loop in 0.3 s."""
    deadline, turns = time.monotonic() + 0.3, 0
    while time.monotonic() < deadline:
        sum(range(10_000))
        turns += 1
    bearable = (os.cpu_count() or 1) * turns / _TURNS_PER_CALL / pace
    return max(4, min(50, int(bearable)))


if __name__ == "__main__":
    sys.exit(main())
