"""An HTTP server with bounds on unfinished requests: uvicorn, which also takes bodies and streams responses."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from .bounded_protocol import (
    LONGEST_HEAD,
    MOST_PENDING,
    MOST_PENDING_PER_ADDRESS,
    BoundedHttp,
    HttpBounds,
)
from .certificates import Certificates
from .pending import PendingConnections
from .ports import opening

_LAST_SECONDS = 2
"""Seconds that responses in progress have to end when the gateway stops."""

_KEEP_ALIVE_SECONDS = 5
"""Seconds between a response and the first byte of the next request."""


@asynccontextmanager
async def http_server(
    app: ASGIApp,
    host: str,
    port: int,
    tls: Certificates | None,
    header_seconds: float,
    evicted: Callable[[], None],
    setting: str = "port",
    *,
    shares_port: bool = False,
) -> AsyncIterator[int]:
    """
    Serve while the context is active.  Yields the port, which the system chooses if `port` is 0.

    `header_seconds`: time limit for request headers; `evicted` is called for each unfinished request
    that gives way to a newer one; `setting`: name of the setting with the port; `shares_port`: whether other
    processes of a group listen on the port too.  Raises PortError.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    pending = PendingConnections[BoundedHttp](MOST_PENDING, MOST_PENDING_PER_ADDRESS)
    bounds = HttpBounds(pending, header_seconds, evicted)
    with opening(host, port, setting):
        listening = socket.create_server((host, port), family=family, reuse_port=shares_port)
    with listening:
        server = _Server(_config(app, bounds, tls))
        serving = asyncio.create_task(server.serve([listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


def _config(app: ASGIApp, bounds: HttpBounds, tls: Certificates | None) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=partial(BoundedHttp, bounds),  # type: ignore[arg-type]  # called like the class
        ws="none",  # WebSockets have a port of their own
        lifespan="off",
        log_config=None,
        access_log=False,  # query strings contain customer content
        server_header=False,
        proxy_headers=False,  # any client could send these headers
        h11_max_incomplete_event_size=LONGEST_HEAD,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_LAST_SECONDS,
    )
    config.load()
    config.ssl = tls.context if tls else None  # a context whose certificate can be renewed
    return config


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signal handling to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture no signals."""
        yield
