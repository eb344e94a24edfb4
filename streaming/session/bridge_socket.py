"""What a session needs of a connection."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from protocol.dialects.base import Message


class Socket(Protocol):
    """What a session needs of a bridge's connection: a WebSocket has it.  Raises ConnectionClosed when lost."""

    @property
    def transport(self) -> asyncio.Transport:
        """To be aborted when the peer does not read."""
        ...

    def __aiter__(self) -> AsyncIterator[Message]: ...

    async def send(self, message: Message) -> None:
        """Returns when there is room for more."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye, in the codes of WebSockets."""
        ...
