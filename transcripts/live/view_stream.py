"""
`GET /v1/live`: one event stream for all calls in progress of a tenant.

Changes of a call are coalesced: at most four messages a second, each with the newest state of every call that has
changed.  Readers with the same rights share the messages.  A reader that does not keep up gets a snapshot instead
of the messages that it has missed.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from starlette.types import Message, Receive, Send
from starlette.types import Scope as Connection

from broker.time_limits import PeerTimeLimit, TimeLimit
from protocol.tenants import parted

from .board import LiveMessage, View
from .follower import CallFollower

EVERY_SECONDS = 0.25
"""Time between two messages of a view."""

_MOST_WAITING = 8
"""Messages that wait for one reader; with more, it gets a snapshot."""

_GRACE_SECONDS = 30.0
"""Time for which the calls of a tenant are followed after its last reader has left: a page that reloads."""

_SETTLE_SECONDS = 2.0
"""Longest wait of a new reader for the logs of calls that were not followed yet."""

_STILL_HERE_SECONDS = 15.0
_HEAD: Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
    ],
}

logger = structlog.get_logger()

_Waiting = asyncio.Queue[bytes | None]
_Key = tuple[str, str | None]


@dataclass(slots=True)
class _Shared:
    """A view and its readers."""

    view: View
    readers: set[_Waiting] = field(default_factory=set)
    left_at: float = 0.0
    """When the last reader left, by the clock of the event loop."""


class ViewStreams:
    """The views that have readers.  `run` sends their messages."""

    def __init__(self, follower: CallFollower, send_seconds: float) -> None:
        """`send_seconds`: a reader that takes longer for one message is disconnected."""
        self._follower = follower
        self._send_seconds = send_seconds
        self._shared: dict[_Key, _Shared] = {}
        self._read = asyncio.Event()
        self.closing = False

    @property
    def has_readers(self) -> bool:
        """Whether there are readers, or there were some a moment ago."""
        return bool(self._shared)

    def shows(self, call_id: str) -> bool:
        """Return whether a reader may see the call with this filed id."""
        tenant = parted(call_id)[0]
        return any(key[0] == tenant and key[1] in (None, call_id) for key in self._shared)

    async def run(self) -> None:
        """Send changes until cancelled; sleeps while there are no readers."""
        loop = asyncio.get_running_loop()
        while True:
            await self._read.wait()
            self._tell(loop.time())
            await asyncio.sleep(EVERY_SECONDS)

    def _tell(self, now: float) -> None:
        for key, shared in list(self._shared.items()):
            if shared.readers:
                _tell_readers(shared)
            elif now - shared.left_at > _GRACE_SECONDS:
                del self._shared[key]
        if not self._shared:
            self._read.clear()

    def close(self) -> None:
        """End all responses, also those that begin later: readers reconnect to another process."""
        self.closing = True
        for shared in self._shared.values():
            for waiting in shared.readers:
                while not waiting.empty():
                    waiting.get_nowait()
                waiting.put_nowait(None)

    def stream(self, tenant: str, only: str | None) -> "ViewStream":
        """Return the response for a reader.  `only`: the only filed id that it may see."""
        return ViewStream(self, (tenant, only), self._send_seconds)

    async def snapshot(self, tenant: str, only: str | None) -> LiveMessage:
        """Return all calls, as one message."""
        shared = await self._opened((tenant, only))
        _tell_readers(shared)
        return shared.view.all_calls()

    async def enter(self, key: _Key, waiting: _Waiting) -> None:
        """Add a reader; its first message is a snapshot."""
        shared = await self._opened(key)
        _tell_readers(shared)
        shared.readers.add(waiting)
        waiting.put_nowait(shared.view.snapshot())
        if self.closing:
            waiting.put_nowait(None)

    async def _opened(self, key: _Key) -> _Shared:
        """Return the view, once it has all calls in progress."""
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = _Shared(View(self._follower.board, *key))
        shared.left_at = asyncio.get_running_loop().time()
        self._read.set()
        await self._follower.settle(_SETTLE_SECONDS)
        self._shared[key] = shared
        return shared

    def leave(self, key: _Key, waiting: _Waiting) -> None:
        """Remove a reader."""
        if shared := self._shared.get(key):
            shared.readers.discard(waiting)
            shared.left_at = asyncio.get_running_loop().time()


class ViewStream:
    """The response to one reader, until it disconnects."""

    def __init__(self, streams: ViewStreams, key: _Key, send_seconds: float) -> None:
        self._streams = streams
        self._key = key
        self._send_seconds = send_seconds
        self._waiting: _Waiting = asyncio.Queue(_MOST_WAITING)

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Send messages.  A reader that accepts none is disconnected."""
        entering = asyncio.create_task(self._streams.enter(self._key, self._waiting))
        sending = asyncio.create_task(self._send(send, scope["state"]["abort"]))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (entering, sending, leaving):
                task.cancel()
            await asyncio.gather(entering, sending, leaving, return_exceptions=True)
            self._streams.leave(self._key, self._waiting)

    async def _send(self, send: Send, abort: Callable[[], None]) -> None:
        try:
            await self._within(send, _HEAD)
            while (message := await self._next()) is not None:
                await self._within(send, _body(message, more=True))
            await self._within(send, _body(b"", more=False))
        except TimeoutError:
            logger.warning("listener_does_not_read")
            abort()

    async def _next(self) -> bytes | None:
        try:
            async with TimeLimit(_STILL_HERE_SECONDS):
                return await self._waiting.get()
        except TimeoutError:
            return b": still here\n\n"

    async def _within(self, send: Send, message: Message) -> None:
        async with PeerTimeLimit(self._send_seconds):
            await send(message)


def _tell_readers(shared: _Shared) -> None:
    if message := shared.view.changes():
        for waiting in shared.readers:
            offer(waiting, message, shared.view)


def offer(waiting: _Waiting, message: bytes, view: View) -> None:
    """Queue a message.  If the queue is full, a snapshot replaces all that waits."""
    if waiting.full():
        while not waiting.empty():
            waiting.get_nowait()
        message = view.snapshot()
    waiting.put_nowait(message)


def _body(content: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
