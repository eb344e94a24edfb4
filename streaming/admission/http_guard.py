"""The guard of the HTTP port: the same keys, the same answers."""

import asyncio
import re

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from protocol.call import adapted_call_id
from protocol.keyring import EVERYTHING, Permit, Scope

from .gate import Refusal
from .guard import Guard
from .knock import Knock

_EVENTS = re.compile(r"/v1/calls/([^/]*)/events", re.ASCII)
_ANNOUNCED = "/v1/audiosocket/"


class HttpGuard:
    """Lets requests through to `app`, which finds the permit by `permit_of`."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Answer one request."""
        events = _EVENTS.fullmatch(scope["path"])
        wanted, call_id = (Scope.READ, _filed(events[1])) if events else (Scope.INGEST, None)
        judged = await self._guard.judge(_knock(scope), wanted, call_id)
        if isinstance(judged, Refusal):
            await _refusal(judged)(scope, receive, send)
            return
        scope.setdefault("state", {})["permit"] = judged
        answering = asyncio.ensure_future(self._app(scope, receive, send))
        with self._guard.inside(_Reader(answering), judged, call=False):
            try:
                await asyncio.wait({answering})
            finally:
                answering.cancel()
            if not answering.cancelled():
                answering.result()


def _filed(named: str) -> str:
    """The call id of a path, as calls are filed: what a permit is compared with."""
    return adapted_call_id(named) if named else named


def permit_of(request: Request) -> Permit:
    """What the guard has found out; everything, where there is none."""
    permit: Permit = getattr(request.state, "permit", EVERYTHING)
    return permit


class _Reader:
    """Somebody who is being answered."""

    def __init__(self, answering: "asyncio.Future[None]") -> None:
        self._answering = answering

    async def close(self, _code: int, _reason: str) -> None:
        """HTTP has no words for it once the answer has begun."""
        self._answering.cancel()


def _knock(scope: Connection) -> Knock:
    query = scope["query_string"].decode("latin-1")
    headers = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in scope["headers"]
    )
    return Knock(scope["path"] + (f"?{query}" if query else ""), headers)


def _refusal(refusal: Refusal) -> PlainTextResponse:
    headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else {}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    return PlainTextResponse(refusal.text, refusal.status, headers)
