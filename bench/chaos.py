"""
Kill everything, one thing at a time, and count what was lost.

Real processes, real Valkey, real sockets.  Each call speaks numbers that can be told from the samples
(bench/spoken.py), through a bridge that comes back when its connection breaks.  Meanwhile gateways, workers, the
recorder and Valkey are killed with SIGKILL, workers are stopped past their lease and woken again, and three
segments kill whoever reads them.  In the end every segment must have exactly one terminal event, the client's
log and the store must agree, the text must be what was said in that stretch of the call, and only the poison may
have failed.

In every second run Valkey writes down what it knows, and its death may cost it the end of that, as a power cut
would; in the others it costs everything.

After the death of a gateway or of Valkey the next fault waits until its calls are in order again: two deaths at
once are not promised to be harmless.
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
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.bridge import Bridge, Script, script
from bench.one_way import OneWayBridge
from bench.recipe import recipe
from bench.rig import (
    LEASE_MS,
    LOST_SECONDS,
    Process,
    Rig,
    free_ports,
    listens,
    rig,
    running,
    valkey_answers,
)
from bench.verdict import Verdict, judge
from console.connection import connect
from console.process import run_loop
from protocol.keys import CallKeys, Partition
from protocol.settings import RedisSettings
from transcripts.store import Store

_SETTLING = 3.0
"""Seconds after which a gateway has told Redis everything again, once it has begun: more than one beat."""

_TELLING = 60.0
"""Seconds after which a gateway that has not begun never will."""

_TURNS_PER_CALL = 60.0
"""Turns of the measuring loop of one core that one call at real time takes, with room for the busy loops."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to be."""

    pace: float = 1.0
    durable: bool = False
    languages: tuple[str, ...] = ("en", "en", "de", "de")
    """Of the workers."""

    busy: int = 0
    lost_seconds: float = LOST_SECONDS
    recorder_away: float = 80.0
    """Seconds; 0 for never."""

    only_frozen: bool = False
    """Whether all workers and a gateway are stopped together, again and again, and nothing else happens."""

    keep: Path | None = None

    @property
    def frozen_seconds(self) -> float:
        """How long a gateway may stand still without its calls being taken from it."""
        return min(30.0, self.lost_seconds * 2 / 3)


class Chaos:
    """Faults in an order that the seed decides."""

    def __init__(self, it: Rig, bridges: list[Bridge], dice: random.Random, plan: Plan) -> None:
        self._rig = it
        self._bridges = bridges
        self._dice = dice
        self._plan = plan
        self._away: asyncio.Task[None] | None = None
        self._faults: list[tuple[int, str, Callable[[], Awaitable[None]]]] = [
            (8, "worker killed", self._kill_worker),
            (2, "worker stopped past its lease", self._stop_worker),
            (2, "gateway killed", self._kill_gateway),
            (1, "recorder killed", self._kill_recorder),
            (1, "valkey killed", self._kill_valkey),
            (1, "gateway told to stop", self._stop_gateway),
            (1, "worker told to stop", self._drain_worker),
            (1, "gateway stopped and continued", self._freeze_gateway),
            (1, "gateway and all workers stopped and continued", self._freeze_both),
        ]
        if plan.durable:
            self._faults.append((1, "valkey killed, its file cut", self._cut_valkey))
        if plan.recorder_away:
            self._faults.append((1, "recorder away", self._send_recorder_away))
        if plan.busy:
            self._faults.append((2, "busy loops beside", self._be_busy))
        if plan.only_frozen:
            self._faults = [self._faults[8]]

    async def run(self) -> None:
        """One fault after the other, until cancelled."""
        if self._plan.only_frozen:
            await self._start_busy()
        try:
            while True:
                await asyncio.sleep(self._dice.uniform(0.1, 1.0))
                faults = [one for one in self._faults if self._is_allowed(one[1])]
                weights = [weight for weight, _, _ in faults]
                _, name, fault = self._dice.choices(faults, weights)[0]
                await fault()
                self._rig.faults[name] += 1
        finally:
            if self._away:
                self._away.cancel()
                await asyncio.gather(self._away, return_exceptions=True)

    def _is_allowed(self, name: str) -> bool:
        """While the recorder is away, gateways alone keep what ended: their death is a second one."""
        is_away = self._away is not None and not self._away.done()
        return not is_away or not name.startswith(("recorder", "gateway killed", "gateway told"))

    async def _send_recorder_away(self) -> None:
        """It comes back behind its time, and other faults do not wait for it."""
        await self._rig.recorder.kill()
        self._away = asyncio.create_task(self._bring_recorder_back())

    async def _bring_recorder_back(self) -> None:
        await asyncio.sleep(self._plan.recorder_away)
        await self._rig.recorder.start()
        await stored(self._rig)

    async def _freeze_gateway(self) -> None:
        await self._freeze([self._dice.choice(self._rig.gateways)])

    async def _freeze_both(self) -> None:
        await self._freeze([self._dice.choice(self._rig.gateways), *self._rig.workers])

    async def _freeze(self, processes: Sequence[Process]) -> None:
        """For less than what makes a gateway dead: nothing may come of it."""
        for process in processes:
            process.signal(signal.SIGSTOP)
        await asyncio.sleep(self._plan.frozen_seconds)
        for process in processes:
            process.signal(signal.SIGCONT)
        await self._all_connected()
        await asyncio.sleep(_SETTLING)

    async def _be_busy(self) -> None:
        await self._start_busy()
        await asyncio.sleep(self._dice.uniform(5, 20))
        for loop in self._rig.busy:
            await loop.kill()

    async def _start_busy(self) -> None:
        for loop in self._rig.busy:
            await loop.start()

    async def _all_connected(self) -> None:
        """Until every bridge has a connection again, and the calls of those that cannot come back have ended."""
        await asyncio.gather(*(bridge.connected() for bridge in self._bridges))

    async def _kill_worker(self) -> None:
        worker = self._dice.choice(self._rig.workers)
        await worker.kill()  # and `keep_workers` starts it again

    async def _stop_worker(self) -> None:
        worker = self._dice.choice(self._rig.workers)
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(1.5 * LEASE_MS / 1_000)
        worker.signal(signal.SIGCONT)

    async def _kill_gateway(self) -> None:
        number = self._dice.randrange(len(self._rig.gateways))
        gateway = self._rig.gateways[number]
        await gateway.kill()
        await asyncio.sleep(self._dice.uniform(0, 1.0))
        await gateway.start()
        await listens(self._rig.ports[number])
        await self._all_connected()
        await asyncio.sleep(_SETTLING)

    async def _stop_gateway(self) -> None:
        """As in a rolling restart: it leaves its calls to the other one."""
        number = self._dice.randrange(len(self._rig.gateways))
        gateway = self._rig.gateways[number]
        await gateway.stop()
        await gateway.start()
        await listens(self._rig.ports[number])
        await self._all_connected()
        await asyncio.sleep(_SETTLING)

    async def _drain_worker(self) -> None:
        await self._dice.choice(self._rig.workers).stop()  # and `keep_workers` starts it again

    async def _kill_recorder(self) -> None:
        await self._rig.recorder.kill()
        await asyncio.sleep(self._dice.uniform(0, 1.0))
        await self._rig.recorder.start()

    async def _cut_valkey(self) -> None:
        """What it wrote down in its last second was not on the disk yet."""
        written = self._rig.file
        await asyncio.sleep(self._dice.uniform(0, 1.0))
        await self._rig.valkey.kill()
        if written and self._rig.file and written[0] == self._rig.file[0]:
            os.truncate(*written)
        await self._revive_valkey()

    async def _kill_valkey(self) -> None:
        await self._rig.valkey.kill()
        await self._revive_valkey()

    async def _revive_valkey(self) -> None:
        await asyncio.sleep(self._dice.uniform(0, 1.0))
        await self._rig.valkey.start()
        await valkey_answers(self._rig)
        await self._all_connected()
        await self._told_again()
        await asyncio.sleep(_SETTLING)

    async def _told_again(self) -> None:
        """Until gateways have told this life of Valkey of their calls: on a busy machine that takes longer."""
        redis = connect(RedisSettings(url=self._rig.redis_url))
        try:
            life = (await redis.info("server"))["run_id"].encode()
            async with asyncio.timeout(_TELLING):
                for bridge in self._bridges:
                    meta = CallKeys.of(bridge.call_id, 1).meta
                    while bridge.is_talking and await redis.hget(meta, "server") != life:  # noqa: ASYNC110  # gateways tell it
                        await asyncio.sleep(0.05)
        finally:
            await redis.aclose()


async def play(scripts: list[Script], seed: int, plan: Plan) -> Verdict:
    """All calls at once under faults; what came of it.  `plan.keep` leaves the logs of all processes there."""
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="trunkline-chaos-") as name:
        it = rig(
            Path(name),
            free_ports(2),
            durable=plan.durable,
            languages=plan.languages,
            busy=plan.busy,
            lost_seconds=plan.lost_seconds,
        )
        async with running(it):
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
            await it.start_who_is_missing()
            await stored(it)
            if plan.keep:
                _keep(Path(name), plan.keep / f"seed-{seed}", bridges)
            dead = await dead_letters(it)
            store = Store.open(f"sqlite:///{it.folder / 'store.db'}")
            try:
                return judge([one for one in bridges if not is_void(one)], store, dead, it.faults)
            finally:
                store.close()


def _bridge(said: Script, urls: list[str], pace: float, dice: random.Random) -> Bridge:
    """Calls named `t...` come over bridges that cannot come back."""
    kind = OneWayBridge if said.call_id.startswith("t") else Bridge
    return kind(said, urls, pace, random.Random(dice.random()))


def is_void(bridge: Bridge) -> bool:
    """Whether its call need not have begun, and did not."""
    return isinstance(bridge, OneWayBridge) and bridge.is_void


async def converse(bridge: Bridge, bridges: list[Bridge], dice: random.Random) -> None:
    """One call; where its bridge cannot come back, another call behind it says the rest."""
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


async def stored(it: Rig) -> None:
    """Until the outbox is empty."""
    redis = connect(RedisSettings(url=it.redis_url))
    try:
        while await redis.xlen(Partition(0).outbox):  # noqa: ASYNC110  # another process empties it
            await asyncio.sleep(0.2)
    finally:
        await redis.aclose()


async def dead_letters(it: Rig) -> int:
    """Segments that were given up, as far as Valkey still knows of them."""
    redis = connect(RedisSettings(url=it.redis_url))
    try:
        return int(await redis.xlen(Partition(0).dead))
    finally:
        await redis.aclose()


def main() -> int:
    """Some runs, each with a seed of its own; every second one with a Valkey that forgets."""
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
    options = parser.parse_args()
    print(recipe())
    calls = options.calls or fitting_calls(options.pace)
    failed = 0
    for run in range(options.runs):
        seed = options.seed + run
        plan = Plan(
            pace=options.pace,
            durable=bool(run % 2),
            busy=options.busy,
            lost_seconds=options.lost_seconds,
            recorder_away=options.recorder_away,
            only_frozen=options.only_frozen,
            keep=options.keep,
        )
        print(f"\nseed {seed}, {calls} calls", flush=True)
        scripts = scripts_of(calls, options.segments // calls, options.poison, seed)
        began = time.monotonic()
        verdict = run_loop(play(scripts, seed, plan))
        memory = "kept its memory" if plan.durable else "forgot everything"
        print(f"valkey {memory}, {time.monotonic() - began:.0f} s")
        print(verdict.text, flush=True)
        failed += not verdict.passed
    return 1 if failed else 0


def scripts_of(calls: int, numbers: int, poison: int, seed: int) -> list[Script]:
    """Every second call in the other language, every third over a bridge that cannot come back."""
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
    """As many calls as this machine can bear now, by how much of a plain loop it gets done in 0.3 s."""
    deadline, turns = time.monotonic() + 0.3, 0
    while time.monotonic() < deadline:
        sum(range(10_000))
        turns += 1
    bearable = (os.cpu_count() or 1) * turns / _TURNS_PER_CALL / pace
    return max(4, min(50, int(bearable)))


if __name__ == "__main__":
    sys.exit(main())
