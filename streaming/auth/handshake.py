"""Connects access control to WebSocket handshakes: reads credentials and builds refusals."""

from collections.abc import Sequence
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response
from websockets.typing import Subprotocol

from broker.http.certificates import common_name
from protocol.auth.authenticator import Refusal
from protocol.auth.credentials import EVERYTHING, Permit, Scope
from protocol.auth.http_routes import Match, Route, find
from protocol.auth.request_credentials import RequestCredentials
from protocol.dialects import registry
from protocol.dialects.base import Request

from .access_control import AccessController


def health(socket: ServerConnection, path: str, obstacle: str | None) -> Response | None:
    """
    Answer the health checks of orchestrators; None for any other path.

    `obstacle`: why the gateway accepts no calls; None if it does.
    """
    match path:
        case "/livez":
            return socket.respond(HTTPStatus.OK, "alive\n")
        case "/startupz":  # the port opens only after Redis was reached
            return socket.respond(HTTPStatus.OK, "started\n")
        case "/readyz" if obstacle:
            return socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, f"{obstacle}\n")
        case "/readyz":
            return socket.respond(HTTPStatus.OK, "ready\n")
        case _:
            return None


_EVENTS = Route("/v1/calls/{call_id}/events", Scope.READ)
_ROUTES = (*(Route(path, Scope.INGEST) for path in registry.paths()), _EVENTS)


def route_of(target: str) -> Match | None:
    """Return the route of a request: a bridge's path or the events of a call; None for any other path."""
    return find(_ROUTES, target)


def page_refused(
    access: AccessController, socket: ServerConnection, request: HttpRequest
) -> Refusal | None:
    """Return the refusal of a web page that may not use this gateway; None if the request is allowed."""
    arrived_at = str((socket.transport.get_extra_info("sockname") or ("",))[0])
    secure = socket.transport.get_extra_info("ssl_object") is not None
    refusal = access.refuse_page(_headers(request), arrived_at, secure=secure)
    return Refusal(refusal.status, refusal.text, about=refusal.reason) if refusal else None


def no_such_path() -> Refusal:
    """Return the refusal of an unknown path, with the list of bridge paths, which is no secret."""
    text = f"no such path; bridges: {', '.join(registry.paths())}\n"
    return Refusal(HTTPStatus.NOT_FOUND, text, about="no_such_path")


def credentials_of(socket: ServerConnection, request: HttpRequest) -> RequestCredentials:
    """Return the credentials of a handshake, for the `Authenticator`."""
    tls = socket.transport.get_extra_info("ssl_object")
    return RequestCredentials(request.path, _headers(request), common_name(tls))


def seen_by_dialect(
    path: str, query: tuple[tuple[str, str], ...], request: HttpRequest, permit: Permit
) -> Request:
    """Return the request without the token in its query: a credential is not a parameter of the call."""
    if permit is not EVERYTHING:
        query = tuple(pair for pair in query if pair[0] != "token")
    return Request(path, query, _headers(request))


def refused(socket: ServerConnection, refusal: Refusal) -> Response:
    """Build the HTTP response of a refusal."""
    response = socket.respond(refusal.status, refusal.text)
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    if refusal.status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def no_room(about: str, retry_seconds: int) -> Refusal:
    """Return the refusal for lack of room; `about`: the reason for metrics."""
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"this gateway has no room for a new call: try again in {retry_seconds} s\n",
        retry_after=retry_seconds,
        about=about,
    )


def _headers(request: HttpRequest) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), value) for name, value in request.headers.raw_items())


def echo_subprotocol(
    _socket: ServerConnection, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    """Return the first offered subprotocol: bridges that offer any expect one, and the gateway uses none."""
    return offered[0] if offered else None
