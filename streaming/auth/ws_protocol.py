"""The server connection of `websockets`, counted as pending until its request is complete."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from broker.http.direct_connection import DirectConnection
from broker.http.pending import PendingConnections
from broker.time_limits import PeerTimeLimit

_HANDSHAKE_SECONDS = 5.0
_MOST_PENDING = 2_048
_MOST_PENDING_PER_ADDRESS = 512
"""Most connections without a complete request; a PBX with all its calls uses one address."""


class BoundedHandshake(DirectConnection):
    """A connection that evicts the oldest one without a complete request if there are too many."""

    def __init__(
        self,
        pending: "PendingConnections[BoundedHandshake]",
        evicted: Callable[[], None],
        *given: Any,  # noqa: ANN401  # the library's own arguments
        **named: Any,  # noqa: ANN401
    ) -> None:
        """`evicted` is called for each evicted connection."""
        super().__init__(*given, **named)
        self._pending = pending
        self._evicted = evicted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        if oldest := self._pending.add(self, str(peer[0]) if peer else ""):
            oldest.give_way()
        self.request_rcvd.add_done_callback(lambda _: self._pending.remove(self))

    async def handshake(self, *given: Any, **named: Any) -> None:  # noqa: ANN401  # the library's own
        """
        Perform the opening handshake.  Raises TimeoutError if the peer takes too long.

        A handshake takes several turns of the event loop and waits for Redis.  Time in which this process stood
        still is not counted, so that an overloaded gateway refuses a call instead of breaking its connection.
        """
        async with PeerTimeLimit(_HANDSHAKE_SECONDS):
            await super().handshake(*given, **named)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._pending.remove(self)
        super().connection_lost(exc)

    def give_way(self) -> None:
        """Evict this connection, which has no complete request."""
        self._evicted()
        self.transport.abort()


def bounded_handshakes(evicted: Callable[[], None]) -> Callable[..., BoundedHandshake]:
    """Return the factory for the connections of one server."""
    pending = PendingConnections[BoundedHandshake](_MOST_PENDING, _MOST_PENDING_PER_ADDRESS)
    return partial(BoundedHandshake, pending, evicted)
