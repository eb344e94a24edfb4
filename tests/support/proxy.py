"""
A TCP proxy in front of a real server, whose line can be made bad while it runs.

After the toxics of toxiproxy (https://github.com/Shopify/toxiproxy): refuse, reset, black hole, latency, lost replies.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

_CHUNK = 65_536


class LineState(Enum):
    """State of the line: how connections and data are treated."""

    GOOD = auto()
    REFUSING = auto()
    """New connections are reset."""

    BLACK_HOLE = auto()
    """New connections are accepted, but no data is forwarded in either direction."""


@dataclass(slots=True)
class Proxy:
    """A proxy for one line whose faults can be changed at any time."""

    upstream: Path | int
    """Unix socket or local port of the real server; a change takes effect for new connections."""

    port: int = 0
    line: LineState = LineState.GOOD
    latency: float = 0.0
    """Delay in seconds of every chunk of a reply."""

    lost: int = 0
    """Number of replies that were dropped on purpose."""

    _losing: Callable[[bytes, bytes], bool] | None = None
    _links: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        """URL for Redis clients."""
        return f"redis://127.0.0.1:{self.port}/0"

    def become(self, line: LineState) -> None:
        """Set the state of the line.  When it refuses connections, open ones are reset."""
        self.line = line
        if line is LineState.REFUSING:
            self.cut()

    def cut(self) -> None:
        """Reset every open connection."""
        for writer in list(self._links):
            _reset(writer)

    def lose_reply(self, when: Callable[[bytes, bytes], bool]) -> None:
        """Drop the next reply for which `when(request, reply)` is true, and its connection.  The command is executed."""
        self._losing = when

    async def serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Serve one connection until either side closes it."""
        if self.line is LineState.REFUSING:
            _reset(back)
            return
        if isinstance(self.upstream, Path):
            reader, writer = await asyncio.open_unix_connection(str(self.upstream))
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        self._links |= {back, writer}
        said: list[bytes] = [b""]
        ways = [
            asyncio.ensure_future(self._up(client, writer, said)),
            asyncio.ensure_future(self._down(reader, back, said)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._links -= {back, writer}
            for one in (back, writer):
                one.close()

    async def _up(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, said: list[bytes]
    ) -> None:
        while data := await source.read(_CHUNK):
            if self.line is LineState.BLACK_HOLE:
                continue
            said[0] = data
            sink.write(data)
            await sink.drain()

    async def _down(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, said: list[bytes]
    ) -> None:
        while data := await source.read(_CHUNK):
            if self.latency:
                await asyncio.sleep(self.latency)
            if self.line is LineState.BLACK_HOLE:
                continue
            if self._losing and self._losing(said[0], data):
                self._losing, self.lost = None, self.lost + 1
                _reset(sink)
                return
            sink.write(data)
            await sink.drain()


@asynccontextmanager
async def proxied(upstream: Path | int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Proxy]:
    """Run a proxy on a free TCP port, optionally with TLS, for a unix socket or local port."""
    proxy = Proxy(upstream)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await proxy.serve(reader, writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        proxy.cut()
        server.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.family != socket.AF_UNIX:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()
