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
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.bridge import Bridge, Script, script
from bench.recipe import recipe
from bench.rig import LEASE_MS, Rig, free_ports, listens, rig, running, valkey_answers
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


class Chaos:
    """Faults in an order that the seed decides."""

    def __init__(self, it: Rig, bridges: list[Bridge], dice: random.Random) -> None:
        self._rig = it
        self._bridges = bridges
        self._dice = dice
        self._faults: list[tuple[int, str, Callable[[], Awaitable[None]]]] = [
            (8, "worker killed", self._kill_worker),
            (2, "worker stopped past its lease", self._stop_worker),
            (2, "gateway killed", self._kill_gateway),
            (1, "recorder killed", self._kill_recorder),
            (1, "valkey killed", self._kill_valkey),
            (1, "gateway told to stop", self._stop_gateway),
            (1, "worker told to stop", self._drain_worker),
        ]
        if it.file:
            self._faults.append((1, "valkey killed, its file cut", self._cut_valkey))

    async def run(self) -> None:
        """One fault after the other, until cancelled."""
        weights = [weight for weight, _, _ in self._faults]
        while True:
            await asyncio.sleep(self._dice.uniform(0.1, 1.0))
            _, name, fault = self._dice.choices(self._faults, weights)[0]
            await fault()
            self._rig.faults[name] += 1

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
        await asyncio.gather(*(bridge.connected() for bridge in self._bridges))
        await asyncio.sleep(_SETTLING)

    async def _stop_gateway(self) -> None:
        """As in a rolling restart: it leaves its calls to the other one."""
        number = self._dice.randrange(len(self._rig.gateways))
        gateway = self._rig.gateways[number]
        await gateway.stop()
        await gateway.start()
        await listens(self._rig.ports[number])
        await asyncio.gather(*(bridge.connected() for bridge in self._bridges))
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
        await asyncio.gather(*(bridge.connected() for bridge in self._bridges))
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


async def play(
    scripts: list[Script], seed: int, pace: float, *, durable: bool, keep: Path | None
) -> Verdict:
    """All calls at once under faults; what came of it.  `keep` leaves the logs of all processes there."""
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="trunkline-chaos-") as name:
        it = rig(Path(name), free_ports(2), durable=durable)
        async with running(it):
            bridges = [Bridge(one, it.urls, pace, random.Random(dice.random())) for one in scripts]
            faults = asyncio.ensure_future(Chaos(it, bridges, dice).run())
            try:
                await asyncio.gather(*(bridge.run() for bridge in bridges))
            finally:
                faults.cancel()
                await asyncio.gather(faults, return_exceptions=True)
                for worker in it.workers:
                    worker.signal(signal.SIGCONT)
            if faults.done() and not faults.cancelled() and faults.exception():
                raise faults.exception() or AssertionError
            await it.start_who_is_missing()
            await stored(it)
            if keep:
                shutil.copytree(
                    name,
                    keep / f"seed-{seed}",
                    ignore=shutil.ignore_patterns("*.sock"),
                    dirs_exist_ok=True,
                )
            dead = await dead_letters(it)
            store = Store.open(f"sqlite:///{it.folder / 'store.db'}")
            try:
                return judge(bridges, store, dead, it.faults)
            finally:
                store.close()


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
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument(
        "--segments", type=int, default=4_000, help="of all calls of a run together"
    )
    parser.add_argument("--poison", type=int, default=3)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--pace", type=float, default=1.0, help="times real time")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument(
        "--keep", metavar="FOLDER", type=Path, help="logs of all processes go there"
    )
    options = parser.parse_args()
    print(recipe())
    failed = 0
    for run in range(options.runs):
        seed, durable = options.seed + run, bool(run % 2)
        chance = np.random.default_rng(seed)
        scripts = [
            script(
                f"c{number}",
                options.segments // options.calls,
                chance,
                poisoned=number < options.poison,
            )
            for number in range(options.calls)
        ]
        began = time.monotonic()
        verdict = run_loop(play(scripts, seed, options.pace, durable=durable, keep=options.keep))
        memory = "kept its memory" if durable else "forgot everything"
        print(f"\nseed {seed}, valkey {memory}, {time.monotonic() - began:.0f} s")
        print(verdict.text, flush=True)
        failed += not verdict.passed
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
