"""The gateway process: sockets in, calls out.  Routes, admits, and keeps an eye on all calls."""

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response
from websockets.typing import Subprotocol

from protocol.bridge import CallOpened
from protocol.clock import ENGINE_RATE
from protocol.dialects import registry
from protocol.dialects.base import Dialect, Request
from protocol.events import Entry
from protocol.keys import CallKeys
from protocol.wire import Scribe

from .call import Call, Identity
from .channel import Channel
from .conversation import Conversation
from .ear import Ear, Judge
from .following import Follower, Newsroom
from .hearing import Hearing
from .ledger import Ledger
from .queue import CallQueue
from .segmenter import Endpointing
from .session import Session, new_call_id
from .settings import GatewaySettings
from .subscriber import Subscriber

_EVENTS = re.compile(r"/v1/calls/([A-Za-z0-9][A-Za-z0-9._:-]{0,127})/events")
_BEAT = 2.0
"""Seconds between looks at every call's log."""

log = structlog.get_logger()


class Gateway:
    """Takes calls in over WebSockets, sends transcripts back."""

    def __init__(
        self,
        redis: Redis,
        partitions: int,
        settings: GatewaySettings,
        silero: Judge | None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._redis = redis
        self._partitions = partitions
        self._settings = settings
        self._now = now
        self._hearing = Hearing(silero)
        self._newsroom = Newsroom(redis)
        self._sessions: set[Session] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._draining = False
        self._redis_answers = True

    async def run(self, listening: Callable[[int], None]) -> None:
        """Serve until cancelled; `listening` is told the port.  Calls in progress are then heard to their end."""
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(self._newsroom.run()),
                tasks.create_task(self._watch_calls()),
            ]
            async with serve(self._connected, **self._serving()) as server:
                listening(next(iter(server.sockets)).getsockname()[1])
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    await self._drain(server)
                    for task in background:
                        task.cancel()

    def _serving(self) -> dict[str, Any]:
        """How the server is to be run."""
        settings = self._settings
        return {
            "host": settings.host,
            "port": settings.port,
            "process_request": self._admit,
            "select_subprotocol": _echo_subprotocol,
            "compression": None,  # mu-law hardly shrinks, and every stream would cost 50 KB
            "max_size": settings.max_message_bytes,
            "max_queue": 16,
            "open_timeout": 5,
            "ping_interval": 20,
            "ping_timeout": 20,
            "server_header": "trunkline",
        }

    async def _drain(self, server: Server) -> None:
        """No new calls; every call in progress is closed here and now, and its last words are waited for."""
        self._draining = True
        for session in list(self._sessions):
            if session.conversation:
                session.conversation.hang_up("gateway stopped")
        server.close(close_connections=False)
        await self._empty.wait()

    # Connections

    def _admit(self, socket: ServerConnection, request: HttpRequest) -> Response | None:
        """Answer plain HTTP, refuse what cannot be served; None lets the WebSocket open."""
        path = urlsplit(request.path).path
        if path == "/livez":
            return socket.respond(HTTPStatus.OK, "alive\n")
        if path == "/readyz":
            return self._readiness(socket)
        if _EVENTS.fullmatch(path):
            return None
        if not registry.serves(path):
            return socket.respond(
                HTTPStatus.NOT_FOUND, f"no such path; bridges: {', '.join(registry.paths())}\n"
            )
        if self._draining or len(self._sessions) >= self._settings.max_calls:
            return _come_back_later(socket)
        return None

    def _readiness(self, socket: ServerConnection) -> Response:
        if self._redis_answers and not self._draining:
            return socket.respond(HTTPStatus.OK, "ready\n")
        reason = "draining\n" if self._draining else "Redis does not answer\n"
        return socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, reason)

    async def _connected(self, socket: ServerConnection) -> None:
        request = socket.request
        assert request is not None  # the handshake is done
        url = urlsplit(request.path)
        query = tuple(parse_qsl(url.query, keep_blank_values=True))
        try:
            if match := _EVENTS.fullmatch(url.path):
                await self._subscriber(socket, match[1], dict(query)).run()
            else:
                headers = tuple(
                    (name.lower(), value) for name, value in request.headers.raw_items()
                )
                await self._converse(socket, Request(url.path, query, headers))
        except ConnectionClosed:
            log.info("connection_lost", path=url.path)

    def _subscriber(
        self, socket: ServerConnection, call_id: str, query: dict[str, str]
    ) -> Subscriber:
        after = int(text) if (text := query.get("after", "0")).isascii() and text.isdigit() else 0
        follower = Follower(self._redis, self._newsroom, self._keys(call_id), after)
        return Subscriber(socket, Scribe(call_id), follower, self._settings.send_seconds)

    async def _converse(self, socket: ServerConnection, request: Request) -> None:
        settings = self._settings
        session = Session(
            socket,
            registry.open_dialect(request),
            self._begin,
            first_message=settings.first_message_seconds,
            send_limit=settings.send_seconds,
            hold=settings.hold_seconds,
        )
        self._sessions.add(session)
        self._empty.clear()
        try:
            await session.run()
        finally:
            self._sessions.discard(session)
            if not self._sessions:
                self._empty.set()

    # Calls

    async def _begin(
        self, opened: CallOpened, dialect: Dialect, tell: Callable[[Entry], None]
    ) -> Conversation:
        """A conversation for a call that a bridge has opened."""
        settings = self._settings
        call_id = opened.call_id or new_call_id()
        keys = self._keys(call_id)
        identity = Identity(call_id, secrets.token_hex(8), opened.roles, dialect.name, self._now())
        piece = 2 * ENGINE_RATE * settings.audio_every_ms // 1_000
        call = Call(identity, opened.config, Ledger(piece), settings.partial_every_ms, self._now)
        call.start(opened.rejected_keywords)
        queue = CallQueue(self._redis, keys, identity.log)
        await queue.take()
        dialect.opened(call_id)
        channels = [self._channel(number, opened, call) for number in range(len(opened.roles))]
        follower = Follower(self._redis, self._newsroom, keys, after=0)
        log.info("call_started", call_id=call_id, dialect=dialect.name, channels=len(channels))
        return Conversation(call, channels, queue, follower, tell)

    def _channel(self, number: int, opened: CallOpened, call: Call) -> Channel:
        settings = self._settings
        endpointing = Endpointing(
            hangover_ms=settings.hangover_ms, maximum_ms=settings.max_segment_ms
        ).with_hangover(opened.config.hangover_ms)
        ear = Ear(endpointing, vad=settings.vad, rate=opened.rate)
        return Channel(number, opened.rate, ear, self._hearing, call)

    def _keys(self, call_id: str) -> CallKeys:
        return CallKeys.of(call_id, self._partitions)

    async def _watch_calls(self) -> None:
        """Find out within seconds that Redis has forgotten a call, also while nobody speaks."""
        while True:
            await asyncio.sleep(_BEAT)
            try:
                await self._redis.ping()
                for session in list(self._sessions):
                    if session.conversation:
                        await session.conversation.check()
                self._redis_answers = True
            except (RedisError, OSError):
                self._redis_answers = False


def _come_back_later(socket: ServerConnection) -> Response:
    response = socket.respond(
        HTTPStatus.SERVICE_UNAVAILABLE, "no room for another call; try again\n"
    )
    response.headers["Retry-After"] = str(1 + secrets.randbelow(4))
    return response


def _echo_subprotocol(
    _socket: ServerConnection, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    """Bridges that ask for a subprotocol expect to get it; which one does not matter to us."""
    return offered[0] if offered else None
