"""HTTP port for the probes of orchestrators and for Prometheus.  Off unless `metrics_port` is set."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import structlog
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from redis.asyncio import Redis
from redis.exceptions import RedisError
from websockets.asyncio.server import ServerConnection, serve, unix_serve
from websockets.http11 import Request, Response

from broker.http.ports import opening
from protocol.auth.http_routes import path_of
from protocol.auth.web_access import WebAccess, bound_hosts, is_loopback

from .health import Health, ProbeResponse, answer
from .metrics import LoopMeter, QueueMeter

logger = structlog.get_logger()

Probe = Callable[[str], Awaitable[ProbeResponse]]
"""Returns the response for a path."""

_HEARTBEAT_SECONDS = 2.0
"""Seconds between two checks of Redis."""


def registry() -> CollectorRegistry:
    """Create a metrics registry with the memory, CPU time and garbage collection of this process."""
    metrics = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=metrics)
    return metrics


@contextlib.asynccontextmanager
async def status(
    host: str, port: int, health: Health, metrics: CollectorRegistry
) -> AsyncIterator[int]:
    """Serve on `port` while the context lasts; yields the port.  0 opens no port and yields 0."""
    if not port:
        yield 0
        return
    async with listening(host, port, health, metrics) as bound:
        yield bound


@contextlib.asynccontextmanager
async def listening(
    host: str, port: int, health: Health, metrics: CollectorRegistry
) -> AsyncIterator[int]:
    """Serve as `status` does, but port 0 selects a free port.  Raises PortError if it cannot be opened."""
    async with answering(host, port, probe_of(health, metrics)) as bound:
        yield bound


def probe_of(health: Health, metrics: CollectorRegistry) -> Probe:
    """Return the answers of this process."""

    async def probe(path: str) -> ProbeResponse:
        return answer(path, health, lambda: generate_latest(metrics).decode())

    return probe


@contextlib.asynccontextmanager
async def answering_locally(path: Path, probe: Probe) -> AsyncIterator[None]:
    """Answer on a Unix socket, for other processes of a group, while the context lasts."""

    async def respond(socket: ServerConnection, request: Request) -> Response:
        return _response(socket, await probe(path_of(request.path)))

    async with unix_serve(_refuse_upgrade, str(path), process_request=respond, open_timeout=5):
        yield


@contextlib.asynccontextmanager
async def answering(host: str, port: int, probe: Probe) -> AsyncIterator[int]:
    """Serve as `listening` does, with the answers of `probe`."""
    # On a port that is open to other machines, metrics may be read under any host name.
    access = WebAccess(bound_hosts(host), frozenset(), strict=is_loopback(host))

    async def respond(socket: ServerConnection, request: Request) -> Response:
        arrived_at = str((socket.transport.get_extra_info("sockname") or ("",))[0])
        headers = [(name.lower(), value) for name, value in request.headers.raw_items()]
        if refusal := access.check(headers, arrived_at, secure=False):
            return socket.respond(refusal.status, refusal.text)
        return _response(socket, await probe(path_of(request.path)))

    with opening(host, port, "metrics_port"):
        # Only the HTTP side of websockets is used: its requests are bounded, and it is a dependency already.
        server = await serve(_refuse_upgrade, host, port, process_request=respond, open_timeout=5)
    try:
        yield next(iter(server.sockets)).getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def _response(socket: ServerConnection, said: ProbeResponse) -> Response:
    response = socket.respond(said.status, said.text)
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = said.kind
    return response


@contextlib.asynccontextmanager
async def watched(
    redis: Redis, health: Health, queue: QueueMeter, loop: LoopMeter
) -> AsyncIterator[None]:
    """Check Redis every two seconds, and measure the event loop, while the context lasts."""
    watching = [asyncio.create_task(work) for work in (_watch(redis, health, queue), loop.run())]
    try:
        yield
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)


async def _watch(redis: Redis, health: Health, meter: QueueMeter) -> None:
    while True:
        try:
            await meter.poll(redis)
            health.redis(answers=True)
        except (RedisError, OSError):
            health.redis(answers=False)
        except Exception as exc:  # noqa: BLE001  # readiness must not keep an old value
            logger.error("health_not_measured", error=type(exc).__name__)
            health.redis(answers=False)
        await asyncio.sleep(_HEARTBEAT_SECONDS)


async def _refuse_upgrade(socket: ServerConnection) -> None:
    """Handler that is never called: `process_request` answers every request before."""
