"""Commands that run the whole pipeline on one machine: `up` and `demo`."""

import argparse
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
        places = _places(options)
        async with _pipeline(options, None, places) as running, _api(options, running, places):
            print(_invitation(places.http_url(running.url), running.url, places), flush=True)
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


@dataclass(frozen=True, slots=True)
class _StartedStack:
    """The parts that run: URL of the gateway, the stack, and the environment of its parts."""

    url: str
    stack: Stack
    environment: Mapping[str, str]


@contextlib.asynccontextmanager
async def _api(
    options: argparse.Namespace, running: _StartedStack, places: _Places
) -> AsyncIterator[None]:
    """Start the HTTP API, which serves the pages."""
    configuration = configuration_of(options)
    environment = {**running.environment, "TRUNKLINE_API_PORT": str(places.api_port)}
    host = running.url.rpartition("/")[2].rpartition(":")[0]
    shown = {
        "gateway_url": running.url,
        "gateway_http_url": places.http_url(running.url),
        "gateway_audiosocket": f"{host}:{places.side_servers['audiosocket_port']}",
    }
    for name, value in shown.items():
        if not configuration.says("api", name):
            environment[f"TRUNKLINE_API_{name.upper()}"] = value
    if store := configuration.section("recorder", RecorderSettings).store:
        environment.setdefault("TRUNKLINE_API_STORE", store)
    if options.config:
        environment["TRUNKLINE_CONFIG"] = options.config
    await running.stack.start(ChildProcess("api", (), environment))
    yield


@contextlib.asynccontextmanager
async def _pipeline(
    options: argparse.Namespace, log_file: Path | None, places: _Places | None = None
) -> AsyncIterator[_StartedStack]:
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
            for endpoint, opened in (places.side_servers if places else {}).items():
                environment[f"TRUNKLINE_GATEWAY_{endpoint.upper()}"] = str(opened)
            if places:  # the page "Talk to it" sends a call from the browser
                origins = [one for one in (settings.allowed_origins, *places.origins) if one]
                environment["TRUNKLINE_GATEWAY_ALLOWED_ORIGINS"] = ",".join(origins)
            port = await stack.start(
                ChildProcess("gateway", flags_of(options, "gateway"), environment)
            )
            scheme = "wss" if settings.tls_certificate else "ws"
            yield _StartedStack(f"{scheme}://{settings.host}:{port}", stack, environment)
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
        places = _places(options) if options.browser else None
        async with contextlib.AsyncExitStack() as parts:
            running = await parts.enter_async_context(_pipeline(options, log_file, places))
            if places:
                await parts.enter_async_context(_api(options, running, places))
                _open_page(f"{places.api_url}/calls/{plan.call_id}")
            playback = Playback(running.url, "twilio", recording, plan)
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
