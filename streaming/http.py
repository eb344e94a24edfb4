"""
The gateway's small HTTP server: for what no WebSocket server can do, which is to read bodies and to stream answers.

It listens on a port of its own.  What is served there is said by `routes`.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from .admission.guard import Guard
from .admission.http_guard import HttpGuard

_MOST_CONNECTIONS = 1_000
"""More are answered with 503."""

_LAST_SECONDS = 2
"""How long answers in progress may take to end when the gateway stops."""


@asynccontextmanager
async def http_server(
    routes: Sequence[BaseRoute], host: str, port: int, guard: Guard
) -> AsyncIterator[int]:
    """Serve while the context lasts; the port, which the system has chosen when `port` is 0."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listening:
        config = uvicorn.Config(
            HttpGuard(Starlette(routes=routes), guard),
            lifespan="off",
            log_config=None,
            access_log=False,  # what stands in a query string is customer content
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_LAST_SECONDS,
        )
        config.load()
        config.ssl = guard.tls.context if guard.tls else None  # one that may be renewed
        server = _Server(config)
        serving = asyncio.create_task(server.serve([listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


class _Server(uvicorn.Server):
    """A server in a process that has its own way of stopping."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None."""
        yield
