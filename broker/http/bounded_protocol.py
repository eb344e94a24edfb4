"""uvicorn's HTTP protocol with limits on incomplete requests: headers, unread bodies, idle connections."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .pending import PendingConnections

LONGEST_HEAD = 65_536
"""Most bytes of request line and headers together; more are refused with 431."""

MOST_PENDING = 512
MOST_PENDING_PER_ADDRESS = 128
"""Most connections without a complete request; proxies and bridges use one address, and send requests at once."""

_LINGER_SECONDS = 10.0
"""Time for a client to read the response to a request whose body was not read."""


class _Phase(Enum):
    HEAD = auto()
    """No request yet, or incomplete headers."""

    REQUEST = auto()
    """A request is being answered; its endpoint limits its body."""

    UNREAD_BODY = auto()
    """A request was answered before its body had arrived."""


@dataclass(frozen=True, slots=True)
class HttpBounds:
    """`head_seconds`: time limit of request line and headers. `evicted` is called for each evicted connection."""

    pending: "PendingConnections[BoundedHttp]"
    head_seconds: float
    evicted: Callable[[], None]


class BoundedHttp(H11Protocol):
    """One connection. `scope["state"]["abort"]` ends it at once if a response cannot be sent any more."""

    def __init__(self, bounds: HttpBounds, **uvicorn: Any) -> None:  # noqa: ANN401  # uvicorn's own arguments
        super().__init__(**uvicorn)
        self._bounds = bounds
        self._phase = _Phase.REQUEST
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Called by the event loop."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "abort": transport.abort}
        self._follow()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._enter(_Phase.REQUEST)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        """Called when a response has been sent; a pipelined request may have begun."""
        super().on_response_complete()
        self._follow()

    def send_400_response(self, msg: str) -> None:
        """Refuse invalid HTTP with 400, and headers that are too long in total with 431."""
        error = sys.exc_info()[1]
        too_long = isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == 431
        self._refuse(431 if too_long else 400, msg)

    def give_way(self) -> None:
        """Evict this connection without a complete request in favour of a newer one."""
        self._bounds.evicted()
        self.transport.abort()

    def _follow(self) -> None:
        if self.transport.is_closing():
            self._enter(_Phase.REQUEST)
        elif self.conn.their_state is h11.IDLE:
            self._enter(_Phase.HEAD)
        elif self.conn.their_state is h11.SEND_BODY and self.cycle.response_complete:
            self._enter(_Phase.UNREAD_BODY)
        else:
            self._enter(_Phase.REQUEST)

    def _enter(self, phase: _Phase) -> None:
        if phase is self._phase:
            return
        self._phase = phase
        self._bounds.pending.remove(self)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if phase is _Phase.REQUEST:
            return
        is_head = phase is _Phase.HEAD
        if oldest := self._bounds.pending.add(self, self.client[0] if self.client else ""):
            oldest.give_way()
        seconds = self._bounds.head_seconds if is_head else _LINGER_SECONDS
        end = self._refuse_slow if is_head else self.transport.close
        self._deadline = self.loop.call_later(seconds, end)

    def _refuse_slow(self) -> None:
        self._refuse(408, "the headers did not arrive in time")

    def _refuse(self, status: int, text: str) -> None:
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(text) + 1).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=f"{text}\n".encode()),
            h11.EndOfMessage(),
        ):
            if sent := self.conn.send(event):
                self.transport.write(sent)
        self.transport.close()
