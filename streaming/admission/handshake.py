"""Between the gate and WebSockets: what a handshake shows, and how one is refused."""

import secrets
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response

from protocol.dialects.base import Request
from protocol.keyring import EVERYTHING, Permit

from .certificates import common_name
from .gate import Refusal
from .knock import Knock


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


def knock(socket: ServerConnection, request: HttpRequest) -> Knock:
    """What the gate is to judge."""
    tls = socket.transport.get_extra_info("ssl_object")
    return Knock(request.path, _headers(request), common_name(tls))


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


def no_room() -> Refusal:
    """For one more call.  Those who are told so at the same moment come back at different ones."""
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "no room for another call; try again\n",
        retry_after=1 + secrets.randbelow(4),
    )


def _headers(request: HttpRequest) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), value) for name, value in request.headers.raw_items())
