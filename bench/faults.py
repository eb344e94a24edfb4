"""The faults of the chaos test, and the conditions for which it waits between two faults."""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.bridge import Bridge
from bench.one_way import OneWayBridge
from bench.resource_faults import break_model, take_memory
from bench.rig import LEASE_MS, LOST_SECONDS, Rig, RigProcess, listens, valkey_answers
from broker.connections.connection import connect
from broker.redis_keys import CallKeys, Partition
from protocol.settings import RedisSettings

_SETTLING = 3.0
"""Seconds after which a running gateway has restored its calls in Redis: more than one heartbeat."""

_TELLING = 60.0
"""Seconds after which a gateway that has not started counts as failed."""

_SETTLED = 120.0
"""Seconds within which speech sent when Valkey died has its text, also on a busy machine."""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """The parameters of a run."""

    pace: float = 1.0
    durable: bool = False
    languages: tuple[str, ...] = ("en", "en", "de", "de")
    """One worker for each."""

    busy: int = 0
    lost_seconds: float = LOST_SECONDS
    recorder_away: float = 80.0
    """Seconds; 0: never."""

    between: float = 1.0
    """Most seconds between two faults."""

    only_frozen: bool = False
    """Whether the only fault is to stop all workers and a gateway together, repeatedly."""

    keep: Path | None = None
    engines: tuple[str, ...] = ("reader",)
    """Engines of the workers, in turn."""

    memory: bool = False
    """Whether workers run out of memory."""

    model_file: bool = False
    """Whether the weights of the Granite workers break."""

    @property
    def frozen_seconds(self) -> float:
        """Seconds for which a gateway may be stopped without losing its calls."""
        return min(30.0, self.lost_seconds * 2 / 3)


class Chaos:
    """Faults in an order that the seed decides."""

    def __init__(
        self, it: Rig, bridges: list[Bridge], dice: random.Random, plan: FaultPlan
    ) -> None:
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
        if plan.memory:
            self._faults.append((4, "worker out of memory", self._take_memory))
        if plan.model_file:
            self._faults.append((2, "weights broken under the workers", self._break_model))
        if plan.only_frozen:
            self._faults = [self._faults[8]]

    async def run(self) -> None:
        """Cause one fault after the other, until cancelled."""
        if self._plan.only_frozen:
            await self._start_busy()
        try:
            while True:
                await asyncio.sleep(self._dice.uniform(0.1, self._plan.between))
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
        """While the recorder is away, only gateways keep ended calls: the death of one would be a second fault."""
        is_away = self._away is not None and not self._away.done()
        return not is_away or not name.startswith(("recorder", "gateway killed", "gateway told"))

    async def _send_recorder_away(self) -> None:
        """Start the recorder again after its time; other faults do not wait for it."""
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

    async def _freeze(self, processes: Sequence[RigProcess]) -> None:
        """Stop a gateway for less than `lost_seconds`, which must have no effect."""
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
        """Wait until every bridge has a connection again, and calls whose bridge cannot reconnect have ended."""
        await asyncio.gather(*(bridge.connected() for bridge in self._bridges))

    def _worker(self) -> RigProcess:
        """A worker that is ready; in one of eight cases any, so that some meet their fault while they start."""
        ready = [one for one in self._rig.workers if one.is_ready]
        return self._dice.choice(
            self._rig.workers if self._dice.random() < 1 / 8 or not ready else ready
        )

    def _count_start(self, worker: RigProcess) -> RigProcess:
        """Count a worker that meets its fault before it is ready.  Returns the worker."""
        self._rig.faults["workers hit while they started"] += not worker.is_ready
        return worker

    async def _kill_worker(self) -> None:
        worker = self._count_start(self._worker())
        await worker.kill()  # and `keep_workers` restarts it

    async def _stop_worker(self) -> None:
        worker = self._worker()
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(1.5 * LEASE_MS / 1_000)
        worker.signal(signal.SIGCONT)

    async def _take_memory(self) -> None:
        await take_memory(self._count_start(self._worker()), self._dice)

    async def _break_model(self) -> None:
        await break_model(self._rig, self._dice)

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
        """Stop a gateway as in a rolling restart: it leaves its calls to the other one."""
        number = self._dice.randrange(len(self._rig.gateways))
        gateway = self._rig.gateways[number]
        await gateway.stop()
        await gateway.start()
        await listens(self._rig.ports[number])
        await self._all_connected()
        await asyncio.sleep(_SETTLING)

    async def _drain_worker(self) -> None:
        await self._worker().stop()  # and `keep_workers` restarts it

    async def _kill_recorder(self) -> None:
        await self._rig.recorder.kill()
        await asyncio.sleep(self._dice.uniform(0, 1.0))
        await self._rig.recorder.start()

    async def _cut_valkey(self) -> None:
        """Cut what Valkey wrote in its last second, as if it was not on the disk yet."""
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
        """Wait until the gateways have restored their calls in the restarted Valkey; longer on a busy machine."""
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
        await self._all_settled()

    async def _all_settled(self) -> None:
        """
        Wait until the segments that are open now in calls whose bridge cannot reconnect have their text.

        Before that, only their gateway may have their audio. A bridge that can reconnect sends it again.
        """
        one_way = [bridge for bridge in self._bridges if isinstance(bridge, OneWayBridge)]
        waiting = [(bridge, bridge.open_segments) for bridge in one_way]
        async with asyncio.timeout(_SETTLED):
            for bridge, segments in waiting:
                while bridge.is_talking and segments & bridge.open_segments:  # noqa: ASYNC110  # the bridge is told
                    await asyncio.sleep(0.05)


async def stored(it: Rig) -> None:
    """Wait until the outbox is empty."""
    redis = connect(RedisSettings(url=it.redis_url))
    try:
        while await redis.xlen(Partition(0).outbox):  # noqa: ASYNC110  # another process empties it
            await asyncio.sleep(0.2)
    finally:
        await redis.aclose()
