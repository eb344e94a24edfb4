"""Commands that run the whole pipeline on one machine: `up` and `demo`."""

import argparse
import asyncio
import contextlib
import json
import secrets
import webbrowser
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from protocol.auth.web_access import is_loopback
from protocol.dialects import registry as dialects
from protocol.settings import RedisSettings
from runtime.local_stack import ChildProcess, Stack, embedded_valkey
from runtime.process import on_interrupt, run_loop
from streaming.audio.endpointing import Endpointing
from streaming.settings import GatewaySettings
from transcripts.analysis.settings import AnalyserSettings
from transcripts.api.settings import ApiSettings
from transcripts.formats.render import render
from transcripts.settings import RecorderSettings
from transcripts.transcript import Transcript
from transcripts.wer import WordErrors, word_errors
from workers.settings import WorkerSettings

from ..call_source import local_calls
from ..captions import Captions
from ..common import (
    configuration_of,
    data_folder,
    flags_of,
    prepare_weights,
    settings_of,
    store_url,
)
from ..configuration import Configuration, ConfigurationError
from ..host.host_info import usable_port
from ..live_view import play_with_captions
from ..recording import read_recording
from ..simulated_bridge import CallPlan, Playback
from .services import worker_part
from .worker_count import workers_of

_DEMO = Path(__file__).parent.parent / "demo"


def up(options: argparse.Namespace) -> None:
    """Run the whole pipeline on this machine, until Ctrl-C."""
    _check_port(options)
    prepare_weights(options)

    async def run() -> None:
        hang_up = on_interrupt()
        places = _places(options)
        async with _pipeline(options, None, places) as url:
            print(_invitation(places.http_url(url), url, places), flush=True)
            await hang_up.wait()
            print("\nStopping: calls in progress are finished first.", flush=True)

    run_loop(run())


def _invitation(http: str, url: str, places: "_Places") -> str:
    """Return the text with the address of the pages, and of bridges and subscribers."""
    others = [path for path in dialects.paths() if path not in ("/v1/calls", "/twilio")]
    return f"""
Trunkline is up.  Open

    {places.api_url}

in a browser: live calls, search, "Connect a phone system" and "Talk to it".

Bridges send calls to

    Twilio       {url}/twilio
    native       {url}/v1/calls
    Deepgram     {url}/v1/listen (live), {http}/v1/listen (recordings)
    AudioSocket  port {places.side_servers["audiosocket_port"]}, announce calls at {http}
    others       {" ".join(others)}
                 (docs/bridges.md shows how to configure each)

Programs read captions at {url}/v1/calls/CALL_ID/events
and calls at {places.api_url}/docs (docs/api.md is a tutorial).

Press Ctrl-C to stop."""


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the parts listen.  `api_port`: as configured, or a free one; chosen before the gateway starts."""

    side_servers: Mapping[str, int]
    """Ports of the gateway for HTTP and AudioSocket."""

    api_host: str
    api_port: int
    api_scheme: str

    @property
    def api_url(self) -> str:
        """URL of the API and its pages."""
        return f"{self.api_scheme}://{self.api_host}:{self.api_port}"

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins of the pages: the gateway accepts calls from them."""
        hosts = (self.api_host, "localhost") if is_loopback(self.api_host) else (self.api_host,)
        return tuple(f"{self.api_scheme}://{host}:{self.api_port}" for host in hosts)

    def http_url(self, gateway_url: str) -> str:
        """URL of the gateway's HTTP port."""
        base = gateway_url.rpartition(":")[0].replace("ws", "http", 1)
        return f"{base}:{self.side_servers['http_port']}"


def _places(options: argparse.Namespace) -> _Places:
    configuration = configuration_of(options)
    settings = configuration.section("api", ApiSettings)
    port = settings.port if configuration.says("api", "port") else usable_port(settings.port)
    scheme = "https" if settings.tls_certificate else "http"
    return _Places(_side_servers(configuration), settings.host, port or usable_port(0), scheme)


def _side_servers(configuration: Configuration) -> dict[str, int]:
    """Return the ports for HTTP and AudioSocket, which `up` opens by default."""
    settings = configuration.section("gateway", GatewaySettings)
    return {
        "http_port": usable_port(8081) if settings.http_port is None else settings.http_port,
        "audiosocket_port": (
            usable_port(8082) if settings.audiosocket_port is None else settings.audiosocket_port
        ),
    }


@contextlib.asynccontextmanager
async def _pipeline(
    options: argparse.Namespace, log_file: Path | None, places: _Places | None = None
) -> AsyncIterator[str]:
    """Run all parts, with `places` also the HTTP API and its pages; yields the URL of the gateway."""
    configuration = configuration_of(options)
    shared = configuration.section("redis", RedisSettings)
    own_redis = not configuration.says("redis", "url")
    async with embedded_valkey() if own_redis else contextlib.nullcontext(shared.url) as redis_url:
        environment = _environment(configuration, redis_url, places)
        stack = Stack(log_file)
        try:
            yield await _started(options, stack, environment, places)
        finally:
            await stack.stop()


def _check_port(options: argparse.Namespace) -> None:
    """Raise ConfigurationError before anything is prepared if the gateway's port is taken."""
    settings = configuration_of(options).section("gateway", GatewaySettings)
    if settings.port and usable_port(settings.port) != settings.port:
        raise ConfigurationError(
            f"port {settings.port} is in use: stop the program that uses it, or choose another one with --port"
        )


def _environment(
    configuration: Configuration, redis_url: str, places: _Places | None
) -> dict[str, str]:
    """Return the variables that the parts get."""
    environment = {"TRUNKLINE_REDIS_URL": redis_url}
    if not configuration.says("gateway", "drain_seconds"):  # Ctrl-C stops at once
        environment["TRUNKLINE_GATEWAY_DRAIN_SECONDS"] = "0"
    if places:
        for endpoint, opened in places.side_servers.items():
            environment[f"TRUNKLINE_GATEWAY_{endpoint.upper()}"] = str(opened)
        # the page "Talk to it" sends a call from the browser
        allowed = configuration.section("gateway", GatewaySettings).allowed_origins
        origins = [one for one in (allowed, *places.origins) if one]
        environment["TRUNKLINE_GATEWAY_ALLOWED_ORIGINS"] = ",".join(origins)
    return environment


async def _started(
    options: argparse.Namespace,
    stack: Stack,
    environment: Mapping[str, str],
    places: _Places | None,
) -> str:
    """
    Start all parts together; returns the URL of the gateway.

    Only the API waits: for the recorder, which migrates the store, and for the address of the gateway.  The parts
    are stopped in the reverse order, the recorder last.
    """
    configuration = configuration_of(options)
    settings = configuration.section("gateway", GatewaySettings)
    worker = worker_part(options, configuration.section("worker", WorkerSettings), environment)
    recorder = ChildProcess("recorder", flags_of(options, "recorder"), environment)
    gateway = ChildProcess("gateway", flags_of(options, "gateway"), environment)
    async with asyncio.TaskGroup() as starting:
        recording = starting.create_task(stack.start(recorder))
        for _ in range(workers_of(options)):
            starting.create_task(stack.start(worker))
        port = await starting.create_task(stack.start(gateway))
        url = f"{'wss' if settings.tls_certificate else 'ws'}://{settings.host}:{port}"
        await recording
        if places:
            await stack.start(_api(options, environment, url, places))
        if configuration.section("analyser", AnalyserSettings).chat_url:
            await stack.start(_analyser(options, environment))
    return url


def _api(
    options: argparse.Namespace, shared: Mapping[str, str], gateway_url: str, places: _Places
) -> ChildProcess:
    """Return the HTTP API, which serves the pages."""
    configuration = configuration_of(options)
    environment = {**shared, "TRUNKLINE_API_PORT": str(places.api_port)}
    host = gateway_url.rpartition("/")[2].rpartition(":")[0]
    shown = {
        "gateway_url": gateway_url,
        "gateway_http_url": places.http_url(gateway_url),
        "gateway_audiosocket": f"{host}:{places.side_servers['audiosocket_port']}",
    }
    for name, value in shown.items():
        if not configuration.says("api", name):
            environment[f"TRUNKLINE_API_{name.upper()}"] = value
    if store := configuration.section("recorder", RecorderSettings).store:
        environment.setdefault("TRUNKLINE_API_STORE", store)
    if options.config:
        environment["TRUNKLINE_CONFIG"] = options.config
    return ChildProcess("api", (), environment)


def _analyser(options: argparse.Namespace, shared: Mapping[str, str]) -> ChildProcess:
    """Return the analyser, which uses the store of the recorder."""
    environment = dict(shared)
    if store := configuration_of(options).section("recorder", RecorderSettings).store:
        environment.setdefault("TRUNKLINE_ANALYSER_STORE", store)
    if options.config:
        environment["TRUNKLINE_CONFIG"] = options.config
    return ChildProcess("analyser", (), environment)


def demo(options: argparse.Namespace) -> int:
    """Play a synthetic call through the whole pipeline, show captions and count word errors."""
    script = json.loads((_DEMO / "script.json").read_text())
    recording = read_recording(_DEMO / "call.wav")
    _check_port(options)
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
        places = _places(options) if options.browser else None
        async with _pipeline(options, log_file, places) as url:
            if places:
                _open_page(f"{places.api_url}/calls/{plan.call_id}")
            playback = Playback(url, "twilio", recording, plan)
            captions = await play_with_captions(playback, hang_up)
            if places and not hang_up.is_set():
                print(
                    f"The call is over.  {places.api_url} stays open: press Ctrl-C to stop.",
                    flush=True,
                )
                await hang_up.wait()
            return captions

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


def _open_page(url: str) -> None:
    """Print the address of a page, and open it in the browser of this machine, if there is one."""
    print(f"The call is at {url}\n", flush=True)
    with contextlib.suppress(webbrowser.Error):
        webbrowser.open(url)


def _errors(transcript: Transcript, turns: Sequence[dict[str, Any]]) -> WordErrors:
    """Return the sum of the word errors of all channels."""
    total = WordErrors()
    for channel in range(len(transcript.call.roles)):
        reference = " ".join(turn["text"] for turn in turns if turn["channel"] == channel)
        total += word_errors(reference, transcript.text_of(channel))
    return total
