"""Routes of web pages: log in, log out, and tokens with which other sites embed a call."""

import time
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

import msgspec
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response

from broker.http.middleware import permit_of
from broker.redis_keys import CallKeys
from protocol.auth.credentials import Permit, Scope

from ...database.audit_log import AuditLine
from ..messages.errors import NO_CALL, ApiError
from ..messages.responses import json_response
from ..operations import Answer, Operation, read_json
from ..page_credentials import SESSION_COOKIE, SESSION_SECONDS, PageCredentials
from ..threads import StoreThreads
from .call_routes import CALL


class SessionBody(msgspec.Struct):
    """The session of a page.  `required`: False if this API needs no key."""

    required: bool
    name: str
    tenant: str
    scopes: list[Scope]
    call_id: str | None


class NewEmbedToken(msgspec.Struct, forbid_unknown_fields=True):
    """How long the token is valid: it must be shown before that; an open page goes on."""

    seconds: Annotated[int, msgspec.Meta(ge=10, le=3_600)] = 300


class EmbedTokenBody(msgspec.Struct):
    """A token for one call.  `path`: of the page for a frame.  `expires_at`: seconds since 1970."""

    token: str
    path: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class SessionRoutes:
    """Handlers of sessions and embed tokens.  `secure`: browsers reach the API by HTTPS."""

    store: StoreThreads
    redis: Redis
    partitions: int
    credentials: PageCredentials
    secure: bool

    async def read_session(self, request: Request) -> Response:
        """Return the session, and extend it if the request used its cookie."""
        permit = permit_of(request)
        answer = json_response(self._body(permit))
        if SESSION_COOKIE in request.cookies and _is_of_key(permit):
            self._set_cookie(answer, permit)
        return answer

    async def open_session(self, request: Request) -> Response:
        """Exchange a key for a session cookie."""
        permit = permit_of(request)
        answer = json_response(self._body(permit))
        if self.credentials.has_keys:
            if not _is_of_key(permit):
                raise ApiError(403, "forbidden", "a session takes a key, not a token")
            self._set_cookie(answer, permit)
        return answer

    async def close_session(self, _: Request) -> Response:
        """Remove the cookie."""
        answer = Response(status_code=204)
        answer.delete_cookie(
            SESSION_COOKIE, path="/", secure=self.secure, httponly=True, samesite="strict"
        )
        return answer

    async def issue_embed_token(self, request: Request) -> Response:
        """Return a token with which a page of another site may read this call."""
        permit, call_id = permit_of(request), request.path_params["call_id"]
        if permit.call_id is not None:
            raise ApiError(403, "forbidden", "a token cannot issue tokens: use a key")
        if not await self._is_known(permit.filed(call_id)):
            raise NO_CALL
        body = await read_json(request, NewEmbedToken)
        expires = time.time() + body.seconds
        line = AuditLine(permit.name, permit.tenant, "issue embed token", permit.filed(call_id))
        await self.store.run(lambda store: store.audit(line))
        token = self.credentials.embed_token(permit, call_id, expires)
        path = f"/embed/{quote(call_id, safe='')}#token={token}"
        return json_response(EmbedTokenBody(token, path, expires))

    async def _is_known(self, filed: str) -> bool:
        if await self.redis.exists(CallKeys.of(filed, self.partitions).log):
            return True
        return await self.store.run(lambda store: store.ended_reason(filed)) is not None

    def _body(self, permit: Permit) -> SessionBody:
        scopes = sorted(permit.scopes)
        required = self.credentials.has_keys
        return SessionBody(required, permit.name, permit.tenant, scopes, permit.call_id)

    def _set_cookie(self, answer: Response, permit: Permit) -> None:
        """SameSite=Strict: pages of other sites cannot use the session; HttpOnly: scripts cannot read it."""
        answer.set_cookie(
            SESSION_COOKIE,
            self.credentials.session(permit, time.time()),
            max_age=SESSION_SECONDS,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="strict",
        )

    def operations(self) -> list[Operation]:
        """The operations with their descriptions."""
        path, answers = "/v1/session", {200: Answer("the session", SessionBody)}
        return [
            Operation(
                "GET",
                path,
                Scope.READ,
                self.read_session,
                "read_session",
                "What the credential of this request permits",
                answers,
            ),
            Operation(
                "POST",
                path,
                Scope.READ,
                self.open_session,
                "open_session",
                "Exchange a key for the session cookie of the web pages",
                answers,
            ),
            Operation(
                "DELETE",
                path,
                Scope.READ,
                self.close_session,
                "close_session",
                "Remove the session cookie",
                {204: Answer("it is removed")},
            ),
            Operation(
                "POST",
                f"{CALL}/embed-tokens",
                Scope.READ,
                self.issue_embed_token,
                "issue_embed_token",
                "Issue a short-lived token with which a page of another site may read this call",
                {200: Answer("the token", EmbedTokenBody)},
                body=NewEmbedToken,
                errors=(400, 404, 408, 413, 422),
            ),
        ]


def _is_of_key(permit: Permit) -> bool:
    return permit.name.startswith("key:") and permit.call_id is None
