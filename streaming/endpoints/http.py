"""
The gateway's small HTTP server: for what no WebSocket server can do, which is to read bodies and to stream answers.

It listens on a port of its own.  What is served there is said by `endpoints`.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import uvicorn

from ..auth.access_control import AccessController
from ..auth.http_middleware import Endpoint, HttpMiddleware
from ..auth.http_protocol import (
    LONGEST_HEAD,
    MOST_PENDING,
    MOST_PENDING_PER_ADDRESS,
    BoundedHttp,
    HttpBounds,
)
from ..auth.pending import PendingConnections

_LAST_SECONDS = 2
"""How long answers in progress may take to end when the gateway stops."""

_KEEP_ALIVE_SECONDS = 5
"""Between an answer and the first byte of the next request."""


@asynccontextmanager
async def http_server(
    endpoints: Sequence[Endpoint],
    host: str,
    port: int,
    access: AccessController,
    header_seconds: float,
    refused: Callable[[str], None],
) -> AsyncIterator[int]:
    """
    Serve while the context lasts; the port, which the system has chosen when `port` is 0.

    `refused`: told the reason of each refusal, for metrics.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    pending = PendingConnections[BoundedHttp](MOST_PENDING, MOST_PENDING_PER_ADDRESS)
    bounds = HttpBounds(pending, header_seconds, lambda: refused("evicted"))
    with socket.create_server((host, port), family=family) as listening:
        config = uvicorn.Config(
            HttpMiddleware(endpoints, access, refused),
            http=partial(BoundedHttp, bounds),  # type: ignore[arg-type]  # called like the class
            ws="none",  # WebSockets have a port of their own
            lifespan="off",
            log_config=None,
            access_log=False,  # what stands in a query string is customer content
            server_header=False,
            proxy_headers=False,  # whoever reaches the port could say anything
            h11_max_incomplete_event_size=LONGEST_HEAD,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_LAST_SECONDS,
        )
        config.load()
        config.ssl = access.tls.context if access.tls else None  # one that may be renewed
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
