"""Between the gate and WebSockets: what a handshake shows, and how one is refused."""

import secrets
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response

from protocol.auth.credentials import EVERYTHING, Permit, Scope
from protocol.auth.http_routes import Match, Route, find
from protocol.dialects import registry
from protocol.dialects.base import Request

from .access_control import AccessController
from .authenticator import Refusal
from .certificates import common_name
from .request_credentials import RequestCredentials


def health(socket: ServerConnection, path: str, obstacle: str | None) -> Response | None:
    """What orchestrators are told; None for any other path.  `obstacle` keeps us from taking calls."""
    match path:
        case "/livez":
            return socket.respond(HTTPStatus.OK, "alive\n")
        case "/startupz":  # nothing listens here before Redis was reached
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
    """What is asked for: a bridge's path, or the events of a call; None for any other."""
    return find(_ROUTES, target)


def page_refused(
    access: AccessController, socket: ServerConnection, request: HttpRequest
) -> Refusal | None:
    """What to answer a page that may not use this gateway."""
    arrived_at = str((socket.transport.get_extra_info("sockname") or ("",))[0])
    secure = socket.transport.get_extra_info("ssl_object") is not None
    refusal = access.refuse_page(_headers(request), arrived_at, secure=secure)
    return Refusal(refusal.status, refusal.text, about=refusal.reason) if refusal else None


def no_such_path() -> Refusal:
    """Which paths there are is no secret."""
    text = f"no such path; bridges: {', '.join(registry.paths())}\n"
    return Refusal(HTTPStatus.NOT_FOUND, text, about="no_such_path")


def credentials_of(socket: ServerConnection, request: HttpRequest) -> RequestCredentials:
    """What the gate is to judge."""
    tls = socket.transport.get_extra_info("ssl_object")
    return RequestCredentials(request.path, _headers(request), common_name(tls))


def seen_by_dialect(
    path: str, query: tuple[tuple[str, str], ...], request: HttpRequest, permit: Permit
) -> Request:
    """The request without the token that let its bridge in: that is no part of what it says of its call."""
    if permit is not EVERYTHING:
        query = tuple(pair for pair in query if pair[0] != "token")
    return Request(path, query, _headers(request))


def refused(socket: ServerConnection, refusal: Refusal) -> Response:
    """The answer in HTTP."""
    response = socket.respond(refusal.status, refusal.text)
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    if refusal.status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def no_room(about: str) -> Refusal:
    """
    For one more call; `about` for metrics.

    Those who are told so at the same moment come back at different ones.
    """
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "no room for another call; try again\n",
        retry_after=1 + secrets.randbelow(4),
        about=about,
    )


def _headers(request: HttpRequest) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), value) for name, value in request.headers.raw_items())
