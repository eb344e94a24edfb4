"""
Calls that sites announce, because their bridge will have no place to say anything of them.

They stand in Redis, so that a call may come to another gateway than the one it was announced to.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from broker.redis_keys import announced
from protocol.auth.credentials import Permit, Scope
from protocol.auth.http_routes import Route
from protocol.bridge_events import DialectError
from protocol.dialects.audiosocket import AudioSocket
from protocol.dialects.base import Request
from protocol.dialects.common import call_parameters, json_fields

from ..auth.http_middleware import Endpoint, permit_of
from .uploads import BodyLimits, UploadError, read_body

KEEP_SECONDS = 600
"""How long an announced call is waited for."""

_LONGEST_BODY = 65_536

Parameters = tuple[tuple[str, str], ...]
"""What a site says of a call: pairs as they might stand in a query string."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What was said of a call, and by whom: it is that one's call, for the call itself shows no key."""

    parameters: Parameters
    permit: Permit


class Announcements:
    """What was said of each call that is to come, by the UUID under which it will come.  Good for one call."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def put(self, uuid: UUID, announcement: Announcement) -> None:
        """A later one takes the place of an earlier one."""
        said = msgspec.msgpack.encode(announcement)
        await self._redis.set(announced(uuid), said, ex=KEEP_SECONDS)

    async def take(self, uuid: UUID) -> Announcement | None:
        """None for a call that nobody has announced, or that has come already."""
        said: Any = await self._redis.getdel(announced(uuid))
        return None if said is None else msgspec.msgpack.decode(said, type=Announcement)


class AnnouncementEndpoint:
    """Answers `PUT` and `POST /v1/audiosocket/{uuid}`: a call will come under this UUID."""

    def __init__(self, announcements: Announcements, slowest: float) -> None:
        """`slowest`: bytes a second at which bodies must come."""
        self._announcements = announcements
        self._limits = BodyLimits(_LONGEST_BODY, slowest)

    @property
    def endpoint(self) -> Endpoint:
        """Where it is to be served."""
        route = Route("/v1/audiosocket/{uuid}", Scope.INGEST, frozenset({"PUT", "POST"}))
        return Endpoint(route, self.answer)

    async def answer(self, request: HttpRequest) -> Response:
        """201 with what was understood, 400 with what is wrong, 403 for the call of another."""
        permit = permit_of(request)
        try:
            uuid = _uuid(request.path_params["uuid"])
            parameters = (*request.query_params.multi_items(), *await self._said(request))
            dialect = AudioSocket(uuid, Request(request.url.path, parameters))
            if not permit.covers(dialect.call_id):
                return PlainTextResponse("this token is good for another call only\n", 403)
            await self._announcements.put(uuid, Announcement(parameters, permit))
        except DialectError as exc:
            return PlainTextResponse(f"{exc}\n", 400)
        except UploadError as exc:
            return PlainTextResponse(f"{exc}\n", 400 if exc.status == 413 else exc.status)
        except (RedisError, OSError):
            return PlainTextResponse("Redis does not answer\n", 503, {"retry-after": "1"})
        answer = {
            "uuid": str(uuid),
            "call_id": dialect.call_id,
            "rejected_keywords": dialect.rejected_keywords,
            "warnings": dialect.warnings,
            "expires_seconds": KEEP_SECONDS,
        }
        return JSONResponse(answer, 201)

    async def _said(self, request: HttpRequest) -> list[tuple[str, str]]:
        """What stands in the body."""
        return _pairs(await read_body(request, self._limits))


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as exc:
        raise DialectError("the path must end in a UUID") from exc


def _pairs(body: bytes) -> list[tuple[str, str]]:
    """A JSON object, or a form as Asterisk's CURL() sends it."""
    if body.lstrip().startswith(b"{"):
        return call_parameters.strings(json_fields.parse(body))
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError as exc:
        raise DialectError("the body must be a JSON object or a form") from exc
