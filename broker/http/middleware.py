"""
The access control of an HTTP port: the same rules and keys as on the WebSocket port of the gateway.

The path is parsed once, and the matched route decides both the required scope and the endpoint that is called. A
request that matches no endpoint is answered with 404.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from protocol.auth.authenticator import Refusal
from protocol.auth.credentials import EVERYTHING, Permit, Scope
from protocol.auth.http_routes import Match, Route, find_all
from protocol.auth.request_credentials import RequestCredentials
from protocol.auth.web_access import Headers, WebRefusal

from .request_access import Closable

MOST_HEADERS = 128
LONGEST_LINE = 8_192
"""The same limits as on the WebSocket port, where the library checks them."""

_HEADERS_OF_PAGES = ("Authorization", "Content-Type", "X-API-Key", "Last-Event-ID")
"""Headers that pages of other origins may send, beside those that CORS always allows."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route and its handler. `listens`: a response lasts as long as a call and counts as a listener."""

    route: Route
    answer: Callable[[Request], Awaitable[ASGIApp]]
    listens: bool = False


class Access(Protocol):
    """What decides who may do what, as the middleware needs it."""

    @property
    def origins(self) -> list[str]:
        """Origins of other servers whose web pages may use this port."""
        ...

    def refuse_page(self, headers: Headers, arrived_at: str, *, secure: bool) -> WebRefusal | None:
        """Return the refusal of a web page or an unknown host name; None if the request is allowed."""
        ...

    async def authenticate(
        self, credentials: RequestCredentials, wanted: Scope, call_id: str | None = None
    ) -> Permit | Refusal:
        """Return the permit of a request, or its refusal."""
        ...

    async def claim_listener(self, permit: Permit) -> Refusal | None:
        """Return the refusal if there are too many listeners.  Otherwise `inside` follows."""
        ...

    def inside(
        self, connection: Closable, permit: Permit, *, call: bool, listens: bool = False
    ) -> AbstractContextManager[None]:
        """Count a request while the context is active, and close it if its key is revoked."""
        ...


Refuse = Callable[[int, str, str], Response]
"""Makes the response of a refusal from status, reason and text."""


def plain_refusal(status: int, _reason: str, text: str) -> Response:
    """Return a refusal as text."""
    return PlainTextResponse(text, status)


class HttpMiddleware:
    """Passes authorised requests to the endpoints, which get the permit by `permit_of`; refuses others."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        access: Access,
        refused: Callable[[str], None],
        refuse: Refuse = plain_refusal,
    ) -> None:
        """`refused` is called with the reason of each refusal, for metrics; `refuse` makes its response."""
        self._response = refuse
        self._endpoints = {one.route: one for one in endpoints}
        self._access = access
        self._refused = refused
        self._inner: ASGIApp = self._answer
        if access.origins:
            self._inner = CORSMiddleware(
                self._answer,
                allow_origins=access.origins,
                allow_methods=sorted({name for one in endpoints for name in one.route.methods}),
                allow_headers=_HEADERS_OF_PAGES,
            )

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = self._refuse_unread(scope) or self._inner
        await answer(scope, receive, send)

    def _refuse_unread(self, scope: Connection) -> ASGIApp | None:
        """Return the refusal that does not depend on path or credentials; None if the request is allowed."""
        headers = _headers(scope)
        if _is_too_large(scope, headers):
            return self._refuse(
                431, "headers", "a header line is too long, or there are too many header lines\n"
            )
        secure = scope["scheme"] == "https"
        refusal = self._access.refuse_page(headers, scope["server"][0], secure=secure)
        if refusal is None:
            return None
        return self._refuse(refusal.status, refusal.reason, refusal.text)

    async def _answer(self, scope: Connection, receive: Receive, send: Send) -> None:
        matches = find_all(self._endpoints, _target(scope))
        for match in matches:
            if scope["method"] in match.route.methods:
                await self._authorised(match, scope, receive, send)
                return
        answer = self._refuse(404, "no_such_path", "no such path\n")
        if matches:
            answer = self._refuse(405, "no_such_method", "method not allowed\n")
            allowed = {name for match in matches for name in match.route.methods}
            answer.headers["Allow"] = ", ".join(sorted(allowed))
        await answer(scope, receive, send)

    async def _authorised(
        self, match: Match, scope: Connection, receive: Receive, send: Send
    ) -> None:
        endpoint = self._endpoints[match.route]
        if match.route.scope is None:
            await _run(endpoint, scope, receive, send)
            return
        credentials = RequestCredentials(_target(scope), _headers(scope))
        result = await self._access.authenticate(credentials, match.route.scope, match.call_id)
        if not isinstance(result, Refusal) and endpoint.listens:
            result = await self._access.claim_listener(result) or result
        if isinstance(result, Refusal):
            self._refused(result.reason)
            await self._refusal(result)(scope, receive, send)
            return
        scope.setdefault("state", {})["permit"] = result
        scope["path_params"] = dict(match.values)
        answering = asyncio.ensure_future(_run(endpoint, scope, receive, send))
        reader = _Reader(answering)
        with self._access.inside(reader, result, call=False, listens=endpoint.listens):
            try:
                await asyncio.wait({answering})
            finally:
                answering.cancel()
            if not answering.cancelled():
                answering.result()

    def _refuse(self, status: int, reason: str, text: str) -> Response:
        self._refused(reason)
        return self._response(status, reason, text)

    def _refusal(self, refusal: Refusal) -> Response:
        answer = self._response(int(refusal.status), refusal.reason, refusal.text)
        if refusal.status == HTTPStatus.UNAUTHORIZED:
            answer.headers["WWW-Authenticate"] = "Bearer"
        if refusal.retry_after is not None:
            answer.headers["Retry-After"] = str(refusal.retry_after)
        return answer


async def _run(endpoint: Endpoint, scope: Connection, receive: Receive, send: Send) -> None:
    answer = await endpoint.answer(Request(scope, receive))
    await answer(scope, receive, send)


def permit_of(request: Request) -> Permit:
    """Return the permit that the middleware has set; all rights if there is no middleware."""
    permit: Permit = getattr(request.state, "permit", EVERYTHING)
    return permit


class _Reader:
    """An HTTP request in progress, as a connection that can be closed."""

    def __init__(self, answering: "asyncio.Future[None]") -> None:
        self._answering = answering

    async def close(self, _code: int, _reason: str) -> None:
        """Cancel the response; HTTP has no close code once the response has begun."""
        self._answering.cancel()


def _target(scope: Connection) -> str:
    """Return path and query string as received."""
    query = scope["query_string"].decode("latin-1")
    path: str = scope["raw_path"].decode("latin-1")
    return path + (f"?{query}" if query else "")


def _headers(scope: Connection) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in scope["headers"]
    )


def _is_too_large(scope: Connection, headers: Sequence[tuple[str, str]]) -> bool:
    longest = max([len(_target(scope)), *(len(name) + len(value) + 2 for name, value in headers)])
    return longest > LONGEST_LINE or len(headers) > MOST_HEADERS
