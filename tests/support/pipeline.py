"""The whole pipeline in one process: real sockets, Valkey and parts, with any engine."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from support.measured import run_measured
from support.silero import new_silero
from support.stores import with_tables
from websockets.asyncio.client import ClientConnection, connect

from broker.process_group.place import GroupPlace
from broker.redis_keys import Partition
from streaming.metrics import GatewayMeter
from streaming.server import Gateway
from streaming.settings import GatewaySettings
from transcripts.metrics import RecorderMeter
from transcripts.recorder import Recorder
from transcripts.settings import RecorderSettings
from transcripts.store import Store
from workers.engines.base import Engine
from workers.job_queue import WorkQueue
from workers.metrics import WorkerMeter
from workers.settings import WorkerSettings
from workers.speakers.voice_encoder import Voices
from workers.worker import Worker

Event = dict[str, Any]
_silero = cache(new_silero)
Clock = Callable[[], float]
"""Returns Unix seconds."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A running pipeline: its URL and its store."""

    url: str
    store: Store


@asynccontextmanager
async def pipeline(
    redis: Redis,
    folder: Path,
    engine: Engine | None,
    *,
    gateway: GatewaySettings | None = None,
    worker: WorkerSettings | None = None,
    recorder: RecorderSettings | None = None,
    metrics: CollectorRegistry | None = None,
    shares: int = 1,
    voices: Voices | None = None,
    group: GroupPlace | None = None,
    gateway_clock: Clock = time.time,
    worker_clock: Clock = time.time,
) -> AsyncIterator[Pipeline]:
    """
    Run a gateway on a free port, a recorder, and a worker if there is an engine.

    `voices`: tells the speakers of mixed channels apart.
    """
    partitions = [Partition(number) for number in range(shares)]
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    store = Store.open(with_tables(f"sqlite:///{folder / 'store.db'}"))
    running = [
        run_measured(
            _gateway(redis, gateway, metrics, shares, gateway_clock, group), port.set_result
        ),
        Recorder(
            redis,
            store,
            [one.outbox for one in partitions],
            "recorder-1",
            recorder,
            meter=RecorderMeter(metrics),
        ).run(),
    ]
    if engine is not None:
        queue = WorkQueue(redis, partitions, "worker-1")
        settings = worker or WorkerSettings()
        meter = WorkerMeter(metrics)
        running.append(
            Worker(
                queue, partitions, engine, settings, worker_clock, voices=voices, meter=meter
            ).run()
        )
    tasks = [asyncio.ensure_future(part) for part in running]
    try:
        yield Pipeline(f"ws://127.0.0.1:{await port}", store)
    finally:
        died = [exc for task in tasks if task.done() and (exc := task.exception())]
        # the gateway first: it waits for the finals of calls that have just ended
        for stopped in (tasks[:1], tasks[1:]):
            for task in stopped:
                task.cancel()
            await asyncio.gather(*stopped, return_exceptions=True)
        store.close()
    for exc in died:
        raise exc


@asynccontextmanager
async def gateway(
    redis: Redis, settings: GatewaySettings | None = None, group: GroupPlace | None = None
) -> AsyncIterator[str]:
    """Run another gateway on a free port while the context lasts; yields its URL."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    serving = asyncio.ensure_future(
        run_measured(_gateway(redis, settings, group=group), port.set_result)
    )
    try:
        yield f"ws://127.0.0.1:{await port}"
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def _gateway(
    redis: Redis,
    settings: GatewaySettings | None,
    metrics: CollectorRegistry | None = None,
    shares: int = 1,
    clock: Clock = time.time,
    group: GroupPlace | None = None,
) -> Gateway:
    settings = settings or GatewaySettings(drain_seconds=0)
    impatient = {"store_wait_seconds": 0.0} if _is_default(settings, "store_wait_seconds") else {}
    # its event loop runs the test, the client and the worker as well
    shared = {"cpu_limit": 1.0} if _is_default(settings, "cpu_limit") else {}
    free = settings.model_copy(update={"port": 0, **impatient, **shared})
    return Gateway(redis, shares, free, _silero(), clock, GatewayMeter(metrics), group=group)


def _is_default(settings: GatewaySettings, name: str) -> bool:
    return name not in settings.model_fields_set


@dataclass(slots=True)
class Listener:
    """Collects the events of a call, and waits for those that a test needs."""

    events: list[Event] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self, connection: ClientConnection) -> None:
        """Receive until the connection is closed."""
        async for message in connection:
            self.events.append(json.loads(message))
            self._news.set()

    async def until(self, kind: str, count: int = 1) -> Event:
        """Wait for the `count`-th event of a type."""
        while len(found := self.of(kind)) < count:
            self._news.clear()
            await self._news.wait()
        return found[count - 1]

    async def until_one_of(self, segment: str, *kinds: str) -> None:
        """Wait for an event of one of these types about a segment."""
        while not any(
            event["type"] in kinds and event.get("segment_id") == segment for event in self.events
        ):
            self._news.clear()
            await self._news.wait()

    def of(self, kind: str) -> list[Event]:
        """Return all events of a type so far."""
        return [event for event in self.events if event["type"] == kind]

    def text(self, channel: int = 0) -> str:
        """Return the joined text of all finals of a channel."""
        return " ".join(
            event["text"] for event in self.of("segment.final") if event["channel"] == channel
        )


@asynccontextmanager
async def calling(
    url: str, key: str = "", /, **start: object
) -> AsyncIterator[tuple[ClientConnection, Listener]]:
    """Connect a native bridge, with a key if there is one, and send its `start`."""
    listener = Listener()
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with connect(
        f"{url}/v1/calls", compression=None, additional_headers=headers
    ) as connection:
        listening = asyncio.ensure_future(listener.listen(connection))
        await connection.send(json.dumps({"type": "start", **start}))
        try:
            yield connection, listener
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def stream(connection: ClientConnection, audio: bytes, *, frame: int, pace: float) -> None:
    """Send audio in frames of `frame` bytes, each 20 ms of the call, `pace` times real time."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number, start in enumerate(range(0, len(audio), frame)):
        await asyncio.sleep(began + number * 0.02 / pace - loop.time())
        await connection.send(audio[start : start + frame])


def reset(connection: ClientConnection) -> None:
    """Simulate a network loss: a TCP reset, without a close frame or FIN."""
    raw: socket.socket = connection.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.transport.abort()


def texts(events: Sequence[Event]) -> list[str]:
    """Return the texts of the finals, in order of the events."""
    return [event["text"] for event in events]
