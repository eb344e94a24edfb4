"""
The events of a call as server-sent events, for a browser's EventSource or `curl -N`.

https://html.spec.whatwg.org/multipage/server-sent-events.html
Each event is the same JSON object as on a listener's WebSocket; its `seq` is the event id, so a client that
reconnects gets the events it has missed.
"""

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from protocol.auth.credentials import Scope
from protocol.auth.http_routes import Route
from protocol.calls.call import adapted_call_id
from protocol.events import Entry, Partial
from protocol.events.event_codec import EventJsonWriter

from ..event_log.log_positions import read_log_status
from ..event_log.log_reader import LogReader, read_across_logs
from ..event_log.pubsub import PubSubHub
from ..redis_keys import CallKeys
from ..time_limits import PeerTimeLimit, TimeLimit
from .middleware import Endpoint, permit_of

_HEAD: Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),  # otherwise nginx buffers events
    ],
}
_STILL_HERE = b": still here\n\n"
_STILL_HERE_SECONDS = 15.0
"""Seconds between comments on a silent stream: proxies keep it open, and a lost client is detected."""

_MOST_WAITING = 64
"""Most events queued for one client.  While an event waits, partials are left out; others stay in the log."""

logger = structlog.get_logger()


class EventStreamEndpoint:
    """Answers `GET /v1/calls/{call_id}/events`; also for a call that has not begun yet."""

    def __init__(
        self, redis: Redis, pubsub_hub: PubSubHub, partitions: int, send_limit: float
    ) -> None:
        """`send_limit`: seconds that a client may take to accept the next events."""
        self._redis = redis
        self._pubsub_hub = pubsub_hub
        self._partitions = partitions
        self._send_limit = send_limit
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End all responses: clients reconnect with their last event id, to another gateway."""
        self._closing.set()

    async def wait_for_event(self, keys: CallKeys, after: int, seconds: float) -> None:
        """Return when the log has an event after seq `after` or was replaced, at the latest after `seconds`."""
        log_reader = LogReader(self._redis, self._pubsub_hub, keys, after)
        arriving = asyncio.create_task(_next_logged(log_reader))
        closing = asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait(
                {arriving, closing}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            arriving.cancel()
            closing.cancel()
            await asyncio.gather(arriving, closing, return_exceptions=True)

    @property
    def endpoint(self) -> Endpoint:
        """The route and the handler."""
        return Endpoint(Route("/v1/calls/{call_id}/events", Scope.READ), self.answer, listens=True)

    async def answer(self, request: Request) -> ASGIApp:
        """Return the response to one request: the event stream, 204 after the end of the call, 400 or 503."""
        try:
            named = adapted_call_id(request.path_params["call_id"])
            keys = CallKeys.of(permit_of(request).filed(named), self._partitions)
            log_status = await read_log_status(self._redis, keys)
        except ValueError as exc:
            return PlainTextResponse(f"{exc}\n", 400)
        except (RedisError, OSError):
            return PlainTextResponse("Redis does not answer\n", 503, {"retry-after": "1"})
        after = _seen(request)
        if after == log_status.ended:
            return Response(status_code=204)  # an EventSource does not reconnect after 204
        log_reader = LogReader(self._redis, self._pubsub_hub, keys, after, log_status)
        return _Reading(
            log_reader, EventJsonWriter(named, log_status.roles), self._send_limit, self._closing
        )


class _Reading:
    """The event stream of one client, until the call has ended or the client disconnects."""

    def __init__(
        self,
        log_reader: LogReader,
        event_writer: EventJsonWriter,
        send_limit: float,
        closing: asyncio.Event,
    ) -> None:
        self._log_reader = log_reader
        self._event_writer = event_writer
        self._send_limit = send_limit
        self._closing = closing
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(_MOST_WAITING)

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Send events.  A client that does not read is disconnected; it finds all events in the log next time."""
        sending = asyncio.create_task(self._pass_on(send, scope["state"]["abort"]))
        leaving = asyncio.create_task(_left(receive))
        following = asyncio.create_task(self._follow())
        tasks = {sending, leaving, following, asyncio.create_task(self._end_when_closing())}
        try:
            while not (sending.done() or leaving.done() or _failed(following)):
                doing = [task for task in tasks if not task.done()]
                await asyncio.wait(doing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self) -> None:
        async for entry in read_across_logs(self._log_reader):
            if entry is None:
                await self._waiting.put(_data(self._event_writer.begin_again()))
            elif not (isinstance(entry.event, Partial) and not self._waiting.empty()):
                await self._waiting.put(_written(entry, self._event_writer))  # no final is left out
        await self._waiting.put(None)

    async def _end_when_closing(self) -> None:
        """When the endpoint closes, end the stream; queued events stay in the event log."""
        await self._closing.wait()
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)

    async def _pass_on(self, send: Send, abort: Callable[[], None]) -> None:
        try:
            await self._send(send, _HEAD)
            may_grow = True
            while may_grow:
                written, may_grow = await self._next()
                await self._send(send, _body(written, more=may_grow))
        except TimeoutError:
            logger.warning("listener_does_not_read")
            abort()  # unread data in the buffer would keep the connection open

    async def _next(self) -> tuple[bytes, bool]:
        """
        Return all events that wait, in one piece, and whether more may follow.

        A page that gets the events so far together shows them together: no row moves another.
        """
        try:
            async with TimeLimit(_STILL_HERE_SECONDS):
                waiting = [await self._waiting.get()]
        except TimeoutError:
            return _STILL_HERE, True
        while not self._waiting.empty():
            waiting.append(self._waiting.get_nowait())
        return b"".join(one for one in waiting if one is not None), None not in waiting

    async def _send(self, send: Send, message: Message) -> None:
        async with PeerTimeLimit(self._send_limit):
            await send(message)


async def _next_logged(log_reader: LogReader) -> None:
    async with contextlib.aclosing(read_across_logs(log_reader)) as entries:
        async for entry in entries:
            if entry is None or entry.seq is not None:
                return


async def _left(receive: Receive) -> None:
    """Return when the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _failed(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None


def _body(written: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": written, "more_body": more}


def _written(entry: Entry, event_writer: EventJsonWriter) -> bytes:
    """Encode an entry.  A partial has no id: a client that reconnects must not get old partials."""
    line = _data(event_writer.write(entry))
    return line if entry.seq is None else f"id: {entry.seq}\n".encode() + line


def _data(text: str) -> bytes:
    return f"data: {text}\n\n".encode()


def _seen(request: Request) -> int:
    """Return the client's last `seq`: from the header `Last-Event-ID`, else from the parameter `after`."""
    text = request.headers.get("last-event-id") or request.query_params.get("after", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else 0
