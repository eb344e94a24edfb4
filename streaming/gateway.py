"""The gateway process: sockets in, calls out.  Routes, admits, and keeps an eye on all calls."""

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from weakref import WeakKeyDictionary

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response
from websockets.typing import Subprotocol

from protocol.bridge import CallOpened, DialectError
from protocol.dialects import registry
from protocol.dialects.base import Dialect
from protocol.events import Entry, LoadLevel
from protocol.keyring import EVERYTHING, Permit, Scope

from .admission.gate import Refusal
from .admission.guard import Guard
from .admission.handshake import health, knock, no_room, refused, seen_by_dialect
from .admission.limits import Timekeeper
from .doors import side_doors
from .ear import Judge
from .following import Newsroom
from .hearing import Hearing
from .joining import Part
from .metrics import GatewayMeter
from .session import RESTARTING, Session, Socket, new_call_id
from .settings import GatewaySettings
from .subscriber import Subscriber, reading
from .switchboard import Switchboard

_EVENTS = re.compile(r"/v1/calls/([A-Za-z0-9][A-Za-z0-9._:-]{0,127})/events")
_RESUMABLE = "/v1/calls"
"""Where bridges connect that can come back."""

_BEAT = 2.0
"""Seconds between looks at every call's log."""

_FIRST_SOUND_SECONDS = 3_600.0
"""An AudioSocket call begins with its first sound, and Asterisk sends none while a caller waits in silence."""

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
        meter: GatewayMeter | None = None,
    ) -> None:
        self._redis = redis
        self._partitions = partitions
        self._settings = settings
        self._guard = Guard(settings)
        self._permits: WeakKeyDictionary[ServerConnection, Permit] = WeakKeyDictionary()
        self._newsroom = Newsroom(redis)
        self._meter = meter or GatewayMeter()
        self._calls = Switchboard(
            redis, partitions, settings, Hearing(silero), self._newsroom, now, self._meter
        )
        self._meter.watch(
            calls=lambda: len(self._calls),
            level=lambda: self._level,
            unsettled=lambda: self._calls.unsettled,
            held_bytes=lambda: self._calls.held_bytes,
        )
        self._sessions: set[Session] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._draining = False
        self._level = LoadLevel.NORMAL
        self._redis_answers = True

    async def run(self, listening: Callable[[int], None]) -> None:
        """Serve until cancelled; `listening` is told the port.  Calls in progress are then heard to their end."""
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(self._newsroom.run()),
                tasks.create_task(self._watch_calls()),
                tasks.create_task(self._guard.run()),
            ]
            async with serve(self._connected, **self._serving()) as server, self._side_doors():
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
            "ssl": self._guard.tls.context if self._guard.tls else None,
            "select_subprotocol": _echo_subprotocol,
            "compression": None,  # mu-law hardly shrinks, and every stream would cost 50 KB
            "max_size": settings.max_message_bytes,
            "max_queue": 4,  # messages, each of up to max_size: so much a connection holds at most
            "open_timeout": 5,
            "ping_interval": 20,
            "ping_timeout": 20,
            "server_header": "trunkline",
        }

    def _side_doors(self) -> AbstractAsyncContextManager[None]:
        """AudioSocket and HTTP, where the settings ask for them."""
        return side_doors(
            self._redis,
            self._partitions,
            self._newsroom,
            self._settings,
            self._converse_over_tcp,
            lambda permit: self._has_room() and not self._guard.room_for(permit),
            self._guard,
        )

    async def _converse_over_tcp(self, socket: Socket, dialect: Dialect, permit: Permit) -> None:
        """Whoever announced the call answers for it; one that nobody had to announce is nobody's guest."""
        known = permit != EVERYTHING
        with self._guard.inside(socket, permit, call=True) if known else contextlib.nullcontext():
            await self._converse(socket, dialect, _FIRST_SOUND_SECONDS, permit)

    def _has_room(self) -> bool:
        return not self._is_full and self._level is not LoadLevel.NO_NEW_CALLS

    @property
    def _is_full(self) -> bool:
        return self._draining or len(self._sessions) >= self._settings.max_calls

    def _takes(self, path: str) -> bool:
        """Bridges that may come back to a call of theirs are asked which, however far the workers are behind."""
        return not self._is_full if path == _RESUMABLE else self._has_room()

    async def _drain(self, server: Server) -> None:
        """No new calls; those in progress may end, then are closed or left to another gateway."""
        self._draining = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_seconds):
                await self._empty.wait()
        await asyncio.gather(*(session.leave() for session in list(self._sessions)))
        await self._empty.wait()
        await self._calls.stop()
        server.close(code=RESTARTING, reason="gateway stopped")

    # Connections

    async def _admit(self, socket: ServerConnection, request: HttpRequest) -> Response | None:
        """Answer plain HTTP, refuse what cannot be served; None lets the WebSocket open."""
        path = urlsplit(request.path).path
        if answer := health(socket, path, self.obstacle):
            return answer
        listens = _EVENTS.fullmatch(path)
        if not (listens or registry.serves(path)):
            self._meter.refused("no_such_path")
            return socket.respond(
                HTTPStatus.NOT_FOUND, f"no such path; bridges: {', '.join(registry.paths())}\n"
            )
        wanted, call_id = (Scope.READ, listens[1]) if listens else (Scope.INGEST, None)
        permit = await self._guard.judge(knock(socket, request), wanted, call_id)
        if isinstance(permit, Refusal):
            return self._refuse(socket, permit)
        if not listens:
            if refusal := self._guard.room_for(permit):
                return self._refuse(socket, refusal)
            if not self._takes(path):
                self._meter.refused("draining" if self._draining else "full")
                return refused(socket, no_room())
        self._permits[socket] = permit
        return None

    def _refuse(self, socket: ServerConnection, refusal: Refusal) -> Response:
        self._meter.refused(refusal.status.phrase.lower().replace(" ", "_"))
        return refused(socket, refusal)

    @property
    def obstacle(self) -> str | None:
        """What keeps it from taking calls, in words for an operator."""
        if self._draining:
            return "draining"
        if not self._redis_answers:
            return "Redis does not answer"
        return None if self._has_room() else "no room for another call"

    async def _connected(self, socket: ServerConnection) -> None:
        request = socket.request
        assert request is not None  # the handshake is done
        url = urlsplit(request.path)
        query = tuple(parse_qsl(url.query, keep_blank_values=True))
        permit, listens = self._permits[socket], _EVENTS.fullmatch(url.path)
        try:
            with self._guard.inside(socket, permit, call=not listens):
                if listens:
                    await self._tell(socket, permit, listens[1], dict(query))
                else:
                    dialect = registry.open_dialect(
                        seen_by_dialect(url.path, query, request, permit)
                    )
                    patience = self._settings.first_message_seconds
                    await self._converse(socket, dialect, patience, permit)
        except ConnectionClosed:
            log.info("connection_lost", path=url.path)

    async def _tell(
        self, socket: ServerConnection, permit: Permit, call_id: str, query: dict[str, str]
    ) -> None:
        """Tell a listener all that it has not seen of a call, until the end."""
        after = int(text) if (text := query.get("after", "0")).isascii() and text.isdigit() else 0
        keys = self._calls.keys(permit.filed(call_id))
        follower, scribe = await reading(self._redis, self._newsroom, keys, call_id, after)
        if follower:
            await Subscriber(socket, scribe, follower, self._settings.send_seconds).run()

    async def _converse(
        self, socket: Socket, dialect: Dialect, patience: float, permit: Permit = EVERYTHING
    ) -> None:
        """`patience`: seconds until the bridge's first words."""
        settings = self._settings
        session = Session(
            socket,
            dialect,
            partial(self._begin, permit),
            first_message=patience,
            send_limit=settings.send_seconds,
            hold=settings.hold_seconds,
            resume=settings.resume_seconds,
        )
        self._sessions.add(session)
        self._empty.clear()
        try:
            async with Timekeeper(settings).watching(session):
                await session.run()
        finally:
            if conversation := session.conversation:
                self._calls.close(conversation)
            self._sessions.discard(session)
            if not self._sessions:
                self._empty.set()

    # Calls

    async def _begin(
        self, permit: Permit, opened: CallOpened, dialect: Dialect, tell: Callable[[Entry], None]
    ) -> Part:
        """A conversation for a call that a bridge has opened."""
        call_id = opened.call_id or permit.call_id or new_call_id()
        if not permit.covers(call_id):
            raise DialectError("this token is good for another call only")
        return await self._calls.open(opened, permit.filed(call_id), dialect, tell)

    async def _watch_calls(self) -> None:
        """
        Say every two seconds that we live, find out what Redis has forgotten, look after the calls of the dead.

        Only who has been able to speak all the time himself may think another dead.
        """
        speaking_since = time.monotonic()
        while True:
            await asyncio.sleep(_BEAT)
            began = time.monotonic()
            try:
                await self._redis.ping()
                await self._calls.beat()
                self._level = await self._calls.look_at_load()
                if began - speaking_since > self._settings.resume_seconds:
                    await self._calls.finish_forsaken()
                self._redis_answers = True
            except (RedisError, OSError):
                self._redis_answers = False
            if not self._redis_answers or time.monotonic() - began > _BEAT:
                speaking_since = time.monotonic()


def _echo_subprotocol(
    _socket: ServerConnection, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    """Bridges that ask for a subprotocol expect to get it; which one does not matter to us."""
    return offered[0] if offered else None
