"""The server for Asterisk's AudioSocket: each TCP connection is a call, and its UUID is its credential."""

import asyncio
import contextlib
import socket as sockets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import structlog
from redis.exceptions import RedisError
from websockets.exceptions import ConnectionClosed

from broker.http.pending import PendingConnections
from broker.time_limits import PeerTimeLimit, TimeLimit
from protocol.auth.credentials import EVERYTHING, Permit
from protocol.bridge_events import DialectError
from protocol.dialects.audiosocket import (
    GREETING,
    HANG_UP,
    SILENCE,
    AudioSocket,
    Frame,
    FrameSplitter,
    greeting,
)
from protocol.dialects.base import Message, Request

from ..session.bridge.bridge_socket import Socket
from .announcements import Announcement, Announcements

_CHUNK = 8_192
"""Most bytes read at a time: about 250 ms at the higher rate."""

MOST_STRANGERS = 512
MOST_STRANGERS_PER_ADDRESS = 64
"""Most connections that have not sent their UUID; a new one replaces the oldest: Asterisk sends it at once."""

_GREETING_SECONDS = 3.0
"""Upper limit of the time to wait for the UUID; `first_message_seconds` may be shorter."""

_LOOKUP_SECONDS = 10.0
"""Time limit for reading the announcement from Redis."""

_QUIET_SECONDS = 1.0
"""Send silence after this time: Asterisk's `AudioSocket()` ends a call after 2 s without data in any direction."""

logger = structlog.get_logger()

Converse = Callable[[Socket, AudioSocket, Permit], Awaitable[None]]
"""Runs a call with a bridge until it is over.  The permit is that of the announcer."""


class TcpSocket:
    """An AudioSocket connection with the interface of a WebSocket (`Socket`)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = FrameSplitter()
        self._whole: deque[Frame] = deque()

    @property
    def transport(self) -> asyncio.Transport:
        """The transport; the session aborts it when the peer does not read."""
        transport: asyncio.Transport = self._writer.transport  # type: ignore[assignment]  # a TCP socket's is
        return transport

    async def __aiter__(self) -> AsyncIterator[Message]:
        """
        Yield one frame at a time, so that frames before an invalid one are not lost.

        Raises ConnectionClosed when the connection is lost.
        """
        while True:
            while self._whole:
                yield bytes(self._whole.popleft())
            match await self._read():
                case None:
                    self._keep_alive()
                case b"":
                    return
                case chunk:
                    self._whole.extend(self._frames.receive(chunk))

    async def _read(self) -> bytes | None:
        """Return the received bytes; empty at the end of the stream, None after a second without data."""
        try:
            async with TimeLimit(_QUIET_SECONDS):
                return await self._reader.read(_CHUNK)
        except TimeoutError:
            return None
        except ConnectionError as exc:
            raise ConnectionClosed(None, None) from exc

    async def send(self, message: Message) -> None:
        """Send frames.  Raises ConnectionClosed if the connection is lost."""
        assert isinstance(message, bytes)  # the dialect sends no text
        try:
            self._writer.write(message)
            await self._writer.drain()
        except ConnectionError as exc:
            raise ConnectionClosed(None, None) from exc

    async def close(self, code: int, reason: str) -> None:
        """Hang up; Asterisk's dialplan continues.  The protocol has no field for a reason."""
        logger.info("audiosocket_closed", code=code)
        with contextlib.suppress(OSError):
            self._writer.write(HANG_UP)
            self._writer.close()
            await self._writer.wait_closed()

    def _keep_alive(self) -> None:
        """Send silence, unless earlier data is still in the write buffer."""
        if self.transport.get_write_buffer_size() == 0:
            self._writer.write(SILENCE)


class AudioSocketServer:
    """Accepts announced calls, or all calls if `to_all` is set."""

    def __init__(
        self,
        announcements: Announcements,
        converse: Converse,
        has_room: Callable[[Permit], bool],
        *,
        to_all: bool,
        greeting_seconds: float,
        refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        """
        `has_room` returns whether a call with this permit may be opened; `greeting_seconds`: wait for the UUID.

        `refused` is called with the reason of each refusal, for metrics.
        """
        self._announcements = announcements
        self._converse = converse
        self._has_room = has_room
        self._to_all = to_all
        self._greeting_seconds = min(greeting_seconds, _GREETING_SECONDS)
        self._refused = refused
        self._pending = PendingConnections[asyncio.StreamWriter](
            MOST_STRANGERS, MOST_STRANGERS_PER_ADDRESS
        )

    async def open(self, host: str, port: int, *, shares_port: bool = False) -> asyncio.Server:
        """
        Start to listen.  Calls in progress continue when the server is closed.

        `shares_port`: whether other processes of a group listen on the port too.
        """
        shared = {"reuse_port": True} if shares_port else {}
        return await asyncio.start_server(self._rung, host, port, limit=2 * _CHUNK, **shared)

    async def _rung(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection: sockets.socket = writer.get_extra_info("socket")
        # Asterisk may send nothing for minutes: keep-alive detects a peer that is gone.
        connection.setsockopt(sockets.SOL_SOCKET, sockets.SO_KEEPALIVE, 1)
        socket = TcpSocket(reader, writer)
        try:
            greeted = await self._greet(reader, writer)
            if greeted is None:
                await socket.close(1008, "")
            else:
                await self._converse(socket, *greeted)
        except (ConnectionClosed, OSError):
            logger.info("connection_lost", path="audiosocket")
        finally:
            writer.close()

    async def _greet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[AudioSocket, Permit] | None:
        """Return the dialect and the permit of an accepted call; None if it is refused."""
        try:
            uuid = await self._uuid(reader, writer)
            async with TimeLimit(_LOOKUP_SECONDS):
                announced = await self._announced(uuid)
            if not self._has_room(announced.permit):
                logger.warning(
                    "audiosocket_refused", error="this gateway has reached its limit of calls"
                )
                return None
            request = Request("/audiosocket", announced.parameters)
            return AudioSocket(uuid, request), announced.permit
        except (DialectError, TimeoutError, asyncio.IncompleteReadError, RedisError) as exc:
            logger.warning("audiosocket_refused", error=type(exc).__name__)
            self._refused("audiosocket")
            return None

    async def _uuid(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> UUID:
        """Read the UUID.  Until it arrives, the connection may be closed in favour of a newer one."""
        peer = writer.get_extra_info("peername")
        if oldest := self._pending.add(writer, str(peer[0]) if peer else ""):
            self._refused("evicted")
            oldest.transport.abort()
        try:
            async with PeerTimeLimit(self._greeting_seconds):
                return greeting(await reader.readexactly(GREETING))
        finally:
            self._pending.remove(writer)

    async def _announced(self, uuid: UUID) -> Announcement:
        said = await self._announcements.take(uuid)
        if said is None and not self._to_all:
            raise DialectError("this call was not announced: announce its UUID first")
        return said or Announcement((), EVERYTHING)
