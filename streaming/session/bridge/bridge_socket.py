"""The interface of a connection that a session uses."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol, runtime_checkable

from protocol.dialects.base import Message


class Socket(Protocol):
    """A bridge's connection, for example a WebSocket.  Raises ConnectionClosed when the connection is lost."""

    @property
    def transport(self) -> asyncio.Transport:
        """The transport; the session aborts it when the peer does not read."""
        ...

    def __aiter__(self) -> AsyncIterator[Message]: ...

    async def send(self, message: Message) -> None:
        """Send one message.  Returns when the send buffer has room for the next."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close the connection.  `code`: a WebSocket close code (RFC 6455, section 7.4)."""
        ...


@runtime_checkable
class DirectSocket(Protocol):
    """A connection that can pass plain messages on without waking the task that reads from it."""

    def receive_directly(self, receiver: Callable[[Message], bool] | None) -> None:
        """Call `receiver` with plain messages; those for which it returns False are to be read.  None: stop."""
        ...
