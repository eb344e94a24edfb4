"""Decides about each WebSocket handshake: who connects, and whether there is room."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response

from protocol.auth.authenticator import Refusal
from protocol.auth.credentials import Permit, Scope
from protocol.auth.http_routes import Match, path_of

from ..auth.access_control import AccessController
from ..auth.handshake import (
    credentials_of,
    health,
    no_room,
    no_such_path,
    page_refused,
    refused,
    route_of,
)
from ..session.overload_control import OverloadControl

_RESUMABLE = "/v1/calls"
"""Path of the native dialect, whose bridges can resume a call."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A connection whose handshake was accepted.  `is_counted`: it was counted as a new call."""

    permit: Permit
    match: Match
    is_counted: bool


class Admission:
    """Accepts or refuses connections before their WebSocket is opened."""

    def __init__(
        self,
        access: AccessController,
        overload: OverloadControl,
        on_refusal: Callable[[str, str], None],
        *,
        is_full: Callable[[], bool],
        redis_answers: Callable[[], bool],
        group_obstacle: Callable[[], Awaitable[str | None]] | None = None,
    ) -> None:
        """
        `on_refusal` is called with the path and query of each refused connection, and the reason, a fixed word.

        `is_full` returns whether the gateway has its most calls; `redis_answers` whether Redis does.
        `group_obstacle` returns why no process of the group accepts calls; None for a process without group.
        """
        self._access = access
        self._overload = overload
        self._on_refusal = on_refusal
        self._is_full = is_full
        self._redis_answers = redis_answers
        self._group_obstacle = group_obstacle
        self._admitted: WeakKeyDictionary[ServerConnection, Admitted] = WeakKeyDictionary()
        self.is_draining = False
        """Whether the gateway stops and accepts no new calls."""

    def admitted(self, socket: ServerConnection) -> Admitted:
        """Return what is known of a connection whose handshake was accepted."""
        return self._admitted[socket]

    @property
    def has_room(self) -> bool:
        """Whether a new call would be accepted."""
        return self._fullness is None and self._overload.obstacle is None

    @property
    def obstacle(self) -> str | None:
        """Why the gateway accepts no calls, as text for an operator; None if it accepts calls."""
        if self.is_draining:
            return "draining"
        if not self._redis_answers():
            return "Redis does not answer"
        if self._fullness:
            return "this gateway has reached max_calls"
        return self._overload.obstacle

    async def admit(self, socket: ServerConnection, request: HttpRequest) -> Response | None:
        """Answer health checks, refuse invalid requests; None accepts the WebSocket."""
        if page := page_refused(self._access, socket, request):
            return self._refuse(socket, request, page)
        if answer := health(socket, path_of(request.path), self.obstacle):
            return await self._health_of_group(socket, path_of(request.path)) or answer
        match = route_of(request.path)
        if match is None:
            return self._refuse(socket, request, no_such_path())
        permit = await self._access.authenticate(
            credentials_of(socket, request), match.route.scope or Scope.ADMIN, match.call_id
        )
        if isinstance(permit, Refusal):
            return self._refuse(socket, request, permit)
        may_continue = match.route.path == _RESUMABLE or "join=" in request.path
        if refusal := await self._no_room_for(permit, match, may_continue=may_continue):
            return self._refuse(socket, request, refusal)
        self._admitted[socket] = Admitted(permit, match, is_counted=not may_continue)
        return None

    async def _health_of_group(self, socket: ServerConnection, path: str) -> Response | None:
        """Answer for the whole group if this process accepts no calls: another one may."""
        if path != "/readyz" or self.obstacle is None or self._group_obstacle is None:
            return None
        return health(socket, path, await self._group_obstacle())

    @property
    def _fullness(self) -> str | None:
        """Why no connection of a bridge is accepted: a fixed word; None if they are accepted."""
        if self.is_draining:
            return "draining"
        return "full" if self._is_full() else None

    async def _no_room_for(
        self, permit: Permit, match: Match, *, may_continue: bool
    ) -> Refusal | None:
        """
        Return the refusal for lack of room; None if there is room.  A call that certainly is a new one is counted.

        `may_continue`: the connection may belong to a call in progress, which is accepted at any load.
        """
        if match.call_id is not None:
            return await self._access.claim_listener(permit)
        if refusal := self._access.room_for(permit):
            return refusal
        if about := self._fullness:
            return no_room(about, self._overload.retry_seconds())
        if refusal := await self._access.claim_call(permit):
            return refusal
        if may_continue or self._overload.admit():
            return None
        self._access.give_up_call(permit)
        return no_room("overloaded", self._overload.retry_seconds())

    def _refuse(self, socket: ServerConnection, request: HttpRequest, refusal: Refusal) -> Response:
        self._on_refusal(request.path, refusal.reason)
        return refused(socket, refusal)
