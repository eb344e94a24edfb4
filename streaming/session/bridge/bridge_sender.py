"""Sends the messages of a dialect to its bridge, and closes the connection."""

import asyncio
import contextlib
from collections import deque

import structlog
from websockets.exceptions import ConnectionClosed

from broker.time_limits import PeerTimeLimit
from protocol.dialects.base import Dialect, Message

from .bridge_socket import Socket

logger = structlog.get_logger()


class BridgeSender:
    """The sending half of one bridge connection.  `send_limit`: seconds that one message may take."""

    def __init__(self, socket: Socket, dialect: Dialect, send_limit: float) -> None:
        self._socket = socket
        self._dialect = dialect
        self._send_limit = send_limit
        self._due: deque[Message] = deque()
        self._news = asyncio.Event()
        self._news.set()  # in some dialects the server sends first
        self._dismissal: tuple[int, str] | None = None

    def wake(self) -> None:
        """Look for messages of the dialect soon."""
        self._news.set()

    def collect(self) -> None:
        """Take the messages that the dialect has now, in their order."""
        self._due.extend(self._dialect.outbox())
        if self._due:
            self._news.set()

    def dismiss(self, code: int, reason: str) -> None:
        """Close with this code and reason after the messages that are due."""
        self._dismissal = (code, reason)
        self._news.set()

    async def run(self) -> None:
        """Send until `dismiss`.  A bridge that does not read is disconnected; its call continues."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self.flush()
            if self._dismissal is not None:
                await self._socket.close(*self._dismissal)
                return

    async def flush(self) -> None:
        """Send what is due.  A message leaves the queue only when it is sent: a cancelled send loses none."""
        self._due.extend(self._dialect.outbox())
        while self._due:
            try:
                async with PeerTimeLimit(self._send_limit):
                    await self._socket.send(self._due[0])
            except TimeoutError:
                logger.warning("peer_does_not_read")
                self._socket.transport.abort()
                self._due.clear()
            except ConnectionClosed:
                self._due.clear()
            else:
                self._due.popleft()

    async def close(self, code: int, reason: str) -> None:
        """Send what is due, then close.  `reason` is cut to the 120 bytes of a close frame."""
        with contextlib.suppress(ConnectionClosed):
            await self.flush()
        await self._socket.close(code, reason.encode()[:120].decode(errors="ignore"))
