"""The whole pipeline on one machine: all parts together, for `up` and `demo`."""

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from protocol.settings import RedisSettings
from runtime.local_stack import ChildProcess, Stack, embedded_valkey
from streaming.settings import GatewaySettings
from transcripts.analysis.settings import AnalyserSettings
from workers.settings import WorkerSettings

from ..common import configuration_of, flags_of
from ..configuration import Configuration
from ..host.ports import usable_port
from .parts import analyser_part, api_part, worker_part
from .places import Places
from .worker_count import workers_of


@contextlib.asynccontextmanager
async def pipeline(
    options: argparse.Namespace, log_file: Path | None, places: Places | None = None
) -> AsyncIterator[str]:
    """Run all parts, with `places` also the HTTP API and its pages; yields the URL of the gateway."""
    configuration = configuration_of(options)
    shared = configuration.section("redis", RedisSettings)
    own_redis = not configuration.says("redis", "url")
    async with embedded_valkey() if own_redis else contextlib.nullcontext(shared.url) as redis_url:
        environment = _environment(configuration, redis_url, places)
        count = workers_of(options)
        if count.threads is not None:
            environment["TRUNKLINE_WORKER_THREADS"] = str(count.threads)
        if options.config:
            environment["TRUNKLINE_CONFIG"] = options.config
        stack = Stack(log_file)
        try:
            url = await _started(options, stack, environment, places, count.workers)
            async with _more_workers(options, stack, environment, count.workers):
                yield url
        finally:
            await stack.stop()


@contextlib.asynccontextmanager
async def _more_workers(
    options: argparse.Namespace, stack: Stack, environment: Mapping[str, str], workers: int
) -> AsyncIterator[None]:
    """Start the other workers while the pipeline is at work: they load the same engine, which takes a core."""
    settings = configuration_of(options).section("worker", WorkerSettings)
    worker = worker_part(options, settings, environment)
    async with asyncio.TaskGroup() as starting:
        others = [starting.create_task(stack.start(worker)) for _ in range(workers - 1)]
        yield
        for one in others:
            one.cancel()


def _environment(
    configuration: Configuration, redis_url: str, places: Places | None
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
    places: Places | None,
    workers: int,
) -> str:
    """
    Start all parts together, of several workers the first; returns the URL of the gateway.

    Those that open the store wait for each other there.  The parts are stopped in the reverse order, the recorder
    last.
    """
    configuration = configuration_of(options)
    settings = configuration.section("gateway", GatewaySettings)
    port = settings.port or usable_port(
        0
    )  # the pages must know it before the gateway has opened it
    url = f"{'wss' if settings.tls_certificate else 'ws'}://{settings.host}:{port}"
    worker = worker_part(options, configuration.section("worker", WorkerSettings), environment)
    parts = [
        ChildProcess("recorder", flags_of(options, "recorder"), environment),
        *[worker] * min(1, workers),
        ChildProcess("gateway", (*flags_of(options, "gateway"), "--port", str(port)), environment),
    ]
    if places:
        parts.append(api_part(options, environment, url, places))
    if configuration.section("analyser", AnalyserSettings).chat_url:
        parts.append(analyser_part(options, environment))
    async with asyncio.TaskGroup() as starting:
        for part in parts:
            starting.create_task(stack.start(part))
    return url
