"""The gateway process: accepts, authenticates and routes connections, and supervises all calls."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import structlog
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from broker.event_log.pubsub import PubSubHub
from broker.http.ports import opening
from broker.process_group.local_request import obstacle_of
from broker.process_group.place import GroupPlace
from broker.refused_connections import RefusalLog
from broker.usage.shared_limits import shared_limits
from protocol.auth.credentials import EVERYTHING, Permit
from protocol.bridge_events import CallOpened, DialectError
from protocol.dialects import registry
from protocol.dialects.base import Dialect
from protocol.events import Entry

from .audio.vad_batcher import VadBatcher
from .audio.vad_runner import VadModel
from .auth.access_control import AccessController
from .auth.call_limits import CallLimiter
from .auth.handshake import seen_by_dialect
from .endpoints.admission import Admission
from .endpoints.side_servers import side_servers
from .endpoints.websocket_options import session_limits, websocket_options
from .endpoints.websocket_subscriber import Subscriber, reading
from .metrics import GatewayMeter
from .session.bridge.bridge_session import RESTARTING, TRY_AGAIN, Session, new_call_id
from .session.bridge.bridge_socket import Socket
from .session.bridge.open_sessions import OpenSessions
from .session.call_registry import CallRegistry
from .session.call_watch import CallWatch, metrics_of
from .session.calls.joined_call import CallHandle
from .session.command_listener import CommandListener
from .session.group_streams import GroupStreams
from .session.heartbeat import Heartbeat, LoopWatch, fresh_seconds
from .settings import GatewaySettings

_FIRST_SOUND_SECONDS = 3_600.0
"""Time limit for the first audio of an AudioSocket call: Asterisk sends none while a caller waits in silence."""

logger = structlog.get_logger()


class Gateway:
    """Receives calls over WebSockets and sends transcripts back."""

    def __init__(
        self,
        redis: Redis,
        partitions: int,
        settings: GatewaySettings,
        silero: VadModel | None,
        now: Callable[[], float] = time.time,
        meter: GatewayMeter | None = None,
        connect: Callable[[], BlockingRedis] | None = None,
        group: GroupPlace | None = None,
    ) -> None:
        """
        `redis`: an open connection; `silero`: None if only webrtcvad is used; `now` returns Unix seconds.

        `connect`: opens the connection of the heartbeat thread; without it, only the event loop sends heartbeats.
        `group`: the place among the processes that listen on the same ports; None: there are no others.
        """
        self._group = group
        settings = settings.model_copy(update=dict(group.ports)) if group else settings
        self._redis = redis
        self._partitions = partitions
        self._settings = settings
        shared = shared_limits(redis, settings.connects_per_second, group.count if group else 1)
        self._access = AccessController(settings, shared=shared)
        self._pubsub_hub = PubSubHub(redis)
        self._meter = meter or GatewayMeter()
        self._calls = CallRegistry(
            redis, partitions, settings, VadBatcher(silero), self._pubsub_hub, now, self._meter
        )
        self._loop = LoopWatch(self._calls.overload.observe_loop)
        self._commands = CommandListener(redis, self._pubsub_hub, partitions, self._calls.find)
        unsigned = partial(self._calls.unsigned, fresh_seconds(settings.lost_seconds))
        self._heartbeat = connect and Heartbeat(
            connect, unsigned, self._loop, settings.lost_seconds
        )
        self._sessions = OpenSessions()
        self._streams = GroupStreams(
            self._calls, self._sessions, group, settings.hold_seconds, self._meter
        )
        self._watch = CallWatch(redis, self._calls, settings.lost_seconds)
        self._admission = Admission(
            self._access,
            self._calls.overload,
            self._refused,
            is_full=lambda: len(self._sessions) >= settings.max_calls,
            redis_answers=lambda: self._watch.redis_answers,
            group_obstacle=partial(obstacle_of, group) if group else None,
        )
        self._refusals = RefusalLog(redis)
        self._now = now
        self._is_broken = False
        metrics_of(
            self._calls,
            self._meter,
            heartbeat_age=lambda: self._heartbeat.age_seconds if self._heartbeat else 0.0,
            accepts=lambda: self._admission.has_room,
        )

    def observe_loop(self, seconds: float) -> None:
        """
        Take a measured delay of the event loop, in seconds.  Call it from the loop, several times a second.

        Without it, the load level does not depend on the loop, and the heartbeat thread takes the loop for hung.
        """
        self._loop.observe(seconds)

    async def run(self, listening: Callable[[int], None]) -> None:
        """Serve until cancelled, then drain.  `listening` is called with the port."""
        beat = self._heartbeat
        with beat.heartbeating() if beat else contextlib.nullcontext():
            await self._serve(listening)

    async def _serve(self, listening: Callable[[int], None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            parts = (
                self._pubsub_hub.run,
                self._watch.run,
                self._access.run,
                self._commands.run,
                self._refusals.run,
            )
            background = [tasks.create_task(self._needed(part())) for part in parts]
            async with (
                self._streams.taking(),
                self._listening() as server,
                self._side_servers(),
            ):
                listening(next(iter(server.sockets)).getsockname()[1])
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    await self._drain(server)
                    for task in background:
                        task.cancel()

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[Server]:
        """Serve WebSockets while the context is active.  Raises PortError."""
        with opening(self._settings.host, self._settings.port, "port"):
            options = websocket_options(
                self._settings,
                self._access.tls.context if self._access.tls else None,
                lambda: self._meter.refused("evicted"),
                shares_port=self._group is not None,
            )
            server = await serve(self._connected, process_request=self._admission.admit, **options)
        async with server:
            yield server

    def _side_servers(self) -> AbstractAsyncContextManager[None]:
        """Return the servers for AudioSocket and HTTP, as far as the settings configure them."""
        return side_servers(
            self._redis,
            self._partitions,
            self._pubsub_hub,
            self._settings,
            self._converse_over_tcp,
            lambda permit: self._admission.has_room and not self._access.room_for(permit),
            self._access,
            self._meter.refused,
            shares_ports=self._group is not None,
        )

    async def _converse_over_tcp(self, socket: Socket, dialect: Dialect, permit: Permit) -> None:
        """Run a call with the permit of its announcement; a call without announcement is not counted."""
        known = permit != EVERYTHING
        if known and (refusal := await self._access.claim_call(permit)):
            await socket.close(TRY_AGAIN, refusal.text.strip())
            return
        with self._access.inside(socket, permit, call=True) if known else contextlib.nullcontext():
            await self._converse(socket, dialect, _FIRST_SOUND_SECONDS, permit)

    @property
    def obstacle(self) -> str | None:
        """Why the gateway accepts no calls, as text for an operator; None if it accepts calls."""
        return self._admission.obstacle

    async def _needed(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a background task that calls depend on.  If it fails, the gateway leaves its calls and ends."""
        try:
            await work
        except Exception as exc:
            self._is_broken = True
            logger.error("background_task_failed", error=type(exc).__name__)
            raise

    async def _drain(self, server: Server) -> None:
        """
        Accept no new calls; let calls end for `drain_seconds`, then end them or leave them to others.

        Finals do not arrive at a broken gateway: it leaves its calls at once.
        """
        self._admission.is_draining = True
        patience = self._settings.drain_seconds, self._settings.hold_seconds
        await self._sessions.end(*((0.0, 0.0) if self._is_broken else patience))
        await self._calls.stop()
        server.close(code=RESTARTING, reason="gateway stopped")

    # Connections

    def _refused(self, path: str, reason: str) -> None:
        self._meter.refused(reason)
        self._refusals.add(self._now(), path, reason)

    async def _connected(self, socket: ServerConnection) -> None:
        request = socket.request
        assert request is not None  # the handshake is done
        query = tuple(parse_qsl(request.path.partition("?")[2], keep_blank_values=True))
        admitted = self._admission.admitted(socket)
        permit, call_id, path = admitted.permit, admitted.match.call_id, admitted.match.route.path
        try:
            with self._access.inside(socket, permit, call=not call_id, listens=bool(call_id)):
                if call_id:
                    await self._notify(socket, permit, call_id, dict(query))
                else:
                    seen = seen_by_dialect(path, query, request, permit)
                    known = replace(seen, languages=self._calls.overload.languages)
                    dialect = registry.open_dialect(known)
                    patience = self._settings.first_message_seconds
                    await self._converse(
                        socket, dialect, patience, permit, is_counted=admitted.is_counted
                    )
        except ConnectionClosed:
            logger.info("connection_lost", path=path)

    async def _notify(
        self, socket: ServerConnection, permit: Permit, call_id: str, query: dict[str, str]
    ) -> None:
        """Send a listener all events of a call that it has not seen, until the call's end."""
        after = int(text) if (text := query.get("after", "0")).isascii() and text.isdigit() else 0
        keys = self._calls.keys(permit.filed(call_id))
        log_reader, event_writer = await reading(
            self._redis, self._pubsub_hub, keys, call_id, after
        )
        if log_reader:
            await Subscriber(socket, event_writer, log_reader, self._settings.send_seconds).run()

    async def _converse(
        self,
        socket: Socket,
        dialect: Dialect,
        patience: float,
        permit: Permit = EVERYTHING,
        *,
        is_counted: bool = False,
    ) -> None:
        """`patience`: seconds to wait for the bridge's first message; `is_counted`: see Admitted."""
        settings = self._settings
        session = Session(
            socket,
            dialect,
            partial(self._begin, permit, is_counted),
            first_message=patience,
            **session_limits(settings),
        )
        with self._sessions.inside(session):
            try:
                async with CallLimiter(settings).watching(session):
                    await session.run()
            finally:
                if live_call := session.live_call:
                    self._streams.close(live_call)

    # Calls

    async def _begin(
        self,
        permit: Permit,
        is_counted: bool,  # noqa: FBT001  # bound by `partial`
        opened: CallOpened,
        dialect: Dialect,
        notify: Callable[[Entry], None],
    ) -> CallHandle:
        """Open the call of a bridge.  Raises DialectError if the permit covers another call only."""
        call_id = opened.call_id or permit.call_id or new_call_id()
        if not permit.covers(call_id):
            raise DialectError("this token is valid for another call only")
        filed = permit.filed(call_id)
        return await self._streams.open(opened, filed, dialect, notify, admitted=is_counted)
