"""Between the gate and WebSockets: what a handshake shows, and how one is refused."""

from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response

from protocol.dialects.base import Request
from protocol.keyring import EVERYTHING, Permit

from .certificates import common_name
from .gate import Refusal
from .knock import Knock


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


def _headers(request: HttpRequest) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), value) for name, value in request.headers.raw_items())
