"""Commands that run the whole pipeline on one machine: `up` and `demo`."""

import argparse
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from protocol.dialects import registry as dialects
from protocol.settings import RedisSettings
from runtime.local_stack import ChildProcess, Stack, embedded_valkey
from runtime.process import on_interrupt, run_loop
from streaming.audio.endpointing import Endpointing
from streaming.settings import GatewaySettings
from transcripts.api.settings import ApiSettings
from transcripts.render import render
from transcripts.settings import RecorderSettings
from transcripts.transcript import Transcript
from transcripts.wer import WordErrors, word_errors
from workers.settings import WorkerSettings

from .call_source import local_calls
from .captions import Captions
from .common import configuration_of, data_folder, flags_of, prepare_weights, settings_of, store_url
from .configuration import Configuration
from .host_info import usable_port
from .live_view import play_with_captions
from .recording import read_recording
from .services import worker_part
from .simulated_bridge import CallPlan, Playback

_DEMO = Path(__file__).parent / "demo"


def up(options: argparse.Namespace) -> None:
    """Run the whole pipeline on this machine, until Ctrl-C."""
    prepare_weights(options)

    async def run() -> None:
        hang_up = on_interrupt()
        endpoints = _side_servers(configuration_of(options))
        async with (
            _pipeline(options, None, endpoints) as running,
            _api(options, running) as api,
        ):
            url = running.url
            http = f"{url.rpartition(':')[0].replace('ws', 'http', 1)}:{endpoints['http_port']}"
            print(_invitation(url, http, endpoints["audiosocket_port"], api), flush=True)
            await hang_up.wait()
            print("\nStopping: calls in progress are finished first.", flush=True)

    run_loop(run())


def _invitation(url: str, http: str, audiosocket_port: int, api: str) -> str:
    """Return the text with the addresses for bridges and subscribers."""
    others = [path for path in dialects.paths() if path not in ("/v1/calls", "/twilio")]
    return f"""
Trunkline is up.  Point a bridge at

    Twilio       {url}/twilio
    native       {url}/v1/calls
    Deepgram     {url}/v1/listen (live), {http}/v1/listen (recordings)
    AudioSocket  port {audiosocket_port}, announce calls at {http}
    others       {" ".join(others)}
                 (docs/bridges.md shows how to configure each)

and read the captions at

    {url}/v1/calls/CALL_ID/events
    {http}/v1/calls/CALL_ID/events (server-sent events)

Calls are listed, searched, exported and deleted at

    {api}/v1/calls
    {api}/docs (all requests; docs/api.md is a tutorial)

Press Ctrl-C to stop."""


def _side_servers(configuration: Configuration) -> dict[str, int]:
    """Return the ports for HTTP and AudioSocket, which `up` opens by default."""
    settings = configuration.section("gateway", GatewaySettings)
    return {
        "http_port": usable_port(8081) if settings.http_port is None else settings.http_port,
        "audiosocket_port": (
            usable_port(8082) if settings.audiosocket_port is None else settings.audiosocket_port
        ),
    }


@dataclass(frozen=True, slots=True)
class _Running:
    """The parts that run: URL of the gateway, the stack, and the environment of its parts."""

    url: str
    stack: Stack
    environment: Mapping[str, str]


@contextlib.asynccontextmanager
async def _api(options: argparse.Namespace, running: _Running) -> AsyncIterator[str]:
    """Start the HTTP API; yields its URL."""
    configuration = configuration_of(options)
    settings = configuration.section("api", ApiSettings)
    environment = {**running.environment}
    if not configuration.says("api", "port"):
        is_free = usable_port(settings.port) == settings.port
        environment["TRUNKLINE_API_PORT"] = str(settings.port if is_free else 0)
    if store := configuration.section("recorder", RecorderSettings).store:
        environment.setdefault("TRUNKLINE_API_STORE", store)
    if options.config:
        environment["TRUNKLINE_CONFIG"] = options.config
    port = await running.stack.start(ChildProcess("api", (), environment))
    yield f"{'https' if settings.tls_certificate else 'http'}://{settings.host}:{port}"


@contextlib.asynccontextmanager
async def _pipeline(
    options: argparse.Namespace, log_file: Path | None, endpoints: Mapping[str, int] | None = None
) -> AsyncIterator[_Running]:
    """Start all parts in order of dependency; yields them."""
    configuration = configuration_of(options)
    shared = configuration.section("redis", RedisSettings)
    settings = configuration.section("gateway", GatewaySettings)
    own_redis = not configuration.says("redis", "url")
    async with embedded_valkey() if own_redis else contextlib.nullcontext(shared.url) as redis_url:
        environment = {"TRUNKLINE_REDIS_URL": redis_url}
        stack = Stack(log_file)
        try:
            await stack.start(ChildProcess("recorder", flags_of(options, "recorder"), environment))
            worker_settings = configuration.section("worker", WorkerSettings)
            for _ in range(options.workers):
                await stack.start(worker_part(options, worker_settings, environment))
            if not configuration.says("gateway", "drain_seconds"):  # Ctrl-C stops at once
                environment["TRUNKLINE_GATEWAY_DRAIN_SECONDS"] = "0"
            for endpoint, opened in (endpoints or {}).items():
                environment[f"TRUNKLINE_GATEWAY_{endpoint.upper()}"] = str(opened)
            port = await stack.start(
                ChildProcess("gateway", flags_of(options, "gateway"), environment)
            )
            scheme = "wss" if settings.tls_certificate else "ws"
            yield _Running(f"{scheme}://{settings.host}:{port}", stack, environment)
        finally:
            await stack.stop()


def demo(options: argparse.Namespace) -> int:
    """Play a synthetic call through the whole pipeline, show captions and count word errors."""
    script = json.loads((_DEMO / "script.json").read_text())
    recording = read_recording(_DEMO / "call.wav")
    prepare_weights(options)
    print(
        f"{script['notice']}\n{recording.seconds:.0f} s of audio are"
        " sent in the format of Twilio: 8 kHz mu-law, two tracks,"
        f" real time.\nKeywords: {', '.join(script['keywords'])}\n"
    )
    plan = CallPlan(
        f"demo-{secrets.token_hex(3)}", ("agent", "customer"), "en", tuple(script["keywords"])
    )

    async def run() -> Captions:
        hang_up = on_interrupt()
        log_file = data_folder() / "demo.log"
        async with _pipeline(options, log_file) as running:
            return await play_with_captions(
                Playback(running.url, "twilio", recording, plan), hang_up
            )

    captions = run_loop(run())
    with local_calls(options) as calls:
        transcript = calls.whole(plan.call_id)
    Console(highlight=False).print("\n", render(transcript, plan.keywords))
    errors = _errors(transcript, script["turns"])
    print(f"\nWord error rate {100 * errors.rate:.1f} % of {errors.reference} words.")
    if lags := sorted(captions.lags):
        middle = lags[len(lags) // 2]
        print(
            f"Finals arrived {middle:.0f} ms after the end of their segment, which is"
            f" {Endpointing().afterroll_ms} ms after its last speech (median of {len(lags)})."
        )
    print(f"Stored in {store_url(settings_of(options, 'recorder', RecorderSettings))}")
    print(f"Show it again: trunkline show {plan.call_id}")
    return 0


def _errors(transcript: Transcript, turns: Sequence[dict[str, Any]]) -> WordErrors:
    """Return the sum of the word errors of all channels."""
    total = WordErrors()
    for channel in range(len(transcript.call.roles)):
        reference = " ".join(turn["text"] for turn in turns if turn["channel"] == channel)
        total += word_errors(reference, transcript.text_of(channel))
    return total
