"""The port on which a process tells orchestrators and Prometheus how it stands.  Off unless it is set."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from redis.asyncio import Redis
from redis.exceptions import RedisError
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from protocol.auth.http_routes import path_of
from protocol.auth.web_access import WebAccess, bound_hosts, is_loopback

from .health import Health, answer
from .metrics import LoopMeter, QueueMeter

_BEAT = 2.0
"""Seconds between two looks at Redis."""


class StatusError(Exception):
    """The port cannot be had; the text says what to do."""


def registry() -> CollectorRegistry:
    """A place for the figures of this process; its memory, processor time and garbage are in it."""
    metrics = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=metrics)
    return metrics


@contextlib.asynccontextmanager
async def status(
    host: str, port: int, health: Health, metrics: CollectorRegistry
) -> AsyncIterator[int]:
    """Answer on `port` while the context lasts; the port that it is, 0 where none was wanted."""
    if not port:
        yield 0
        return
    async with listening(host, port, health, metrics) as bound:
        yield bound


@contextlib.asynccontextmanager
async def listening(
    host: str, port: int, health: Health, metrics: CollectorRegistry
) -> AsyncIterator[int]:
    """As `status`; port 0 takes a free one."""
    # Whoever reaches a port that is open to other machines may read the figures, under any name.
    access = WebAccess(bound_hosts(host), frozenset(), strict=is_loopback(host))

    def respond(socket: ServerConnection, request: Request) -> Response:
        arrived_at = str((socket.transport.get_extra_info("sockname") or ("",))[0])
        headers = [(name.lower(), value) for name, value in request.headers.raw_items()]
        if refusal := access.check(headers, arrived_at, secure=False):
            return socket.respond(refusal.status, refusal.text)
        said = answer(path_of(request.path), health, lambda: generate_latest(metrics).decode())
        response = socket.respond(said.status, said.text)
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = said.kind
        return response

    try:
        # Only its HTTP side is used: it is bounded, and it is there already.
        server = await serve(_nobody, host, port, process_request=respond, open_timeout=5)
    except OSError as exc:
        raise StatusError(
            f"metrics_port {port} on {host} cannot be had ({exc.strerror}): is another process of Trunkline"
            " there?  Give each its own, or 0 for none"
        ) from exc
    try:
        yield next(iter(server.sockets)).getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@contextlib.asynccontextmanager
async def watched(
    redis: Redis, health: Health, queue: QueueMeter, loop: LoopMeter
) -> AsyncIterator[None]:
    """Look at Redis every two seconds, and at our own event loop, while the context lasts."""
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
        await asyncio.sleep(_BEAT)


async def _nobody(socket: ServerConnection) -> None:
    """No WebSocket is ever opened here: every request has been answered before."""
