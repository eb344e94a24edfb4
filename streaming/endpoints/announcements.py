"""
Announcements: parameters that a site sends for a coming call whose bridge cannot send parameters itself.

They are stored in Redis, so that the call can come to another gateway than the one that got the announcement.
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

from broker.http.middleware import Endpoint, permit_of
from broker.http.uploads import BodyLimits, UploadError, read_body
from broker.redis_keys import announced
from protocol.auth.credentials import Permit, Scope
from protocol.auth.http_routes import Route
from protocol.bridge_events import DialectError
from protocol.dialects.audiosocket import AudioSocket
from protocol.dialects.base import Request
from protocol.dialects.common import call_parameters, json_fields

KEEP_SECONDS = 600
"""Seconds after which an announcement expires."""

_LONGEST_BODY = 512 * 1024

Parameters = tuple[tuple[str, str], ...]
"""The parameters of a call: pairs of name and value, as in a query string."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """The parameters of a call and the permit of its announcer.  The call gets this permit, as it sends no key."""

    parameters: Parameters
    permit: Permit


class Announcements:
    """Stores announcements by the UUID of the coming call.  Each is valid for one call."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def put(self, uuid: UUID, announcement: Announcement) -> None:
        """Store an announcement; it replaces an earlier one with the same UUID."""
        said = msgspec.msgpack.encode(announcement)
        await self._redis.set(announced(uuid), said, ex=KEEP_SECONDS)

    async def take(self, uuid: UUID) -> Announcement | None:
        """Remove and return an announcement; None if the call was not announced or has come already."""
        said: Any = await self._redis.getdel(announced(uuid))
        return None if said is None else msgspec.msgpack.decode(said, type=Announcement)


class AnnouncementEndpoint:
    """Answers `PUT` and `POST /v1/audiosocket/{uuid}`, which announce a call with this UUID."""

    def __init__(self, announcements: Announcements, slowest: float) -> None:
        """`slowest`: minimum rate of request bodies, in bytes per second."""
        self._announcements = announcements
        self._limits = BodyLimits(_LONGEST_BODY, slowest)

    @property
    def endpoint(self) -> Endpoint:
        """The route and the handler."""
        route = Route("/v1/audiosocket/{uuid}", Scope.INGEST, frozenset({"PUT", "POST"}))
        return Endpoint(route, self.answer)

    async def answer(self, request: HttpRequest) -> Response:
        """Return 201 with the parsed parameters, 400 with the error, or 403 if the permit covers another call."""
        permit = permit_of(request)
        try:
            uuid = _uuid(request.path_params["uuid"])
            parameters = (*request.query_params.multi_items(), *await self._said(request))
            dialect = AudioSocket(uuid, Request(request.url.path, parameters))
            if not permit.covers(dialect.call_id):
                return PlainTextResponse("this token is valid for another call only\n", 403)
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
        """Return the parameters in the body."""
        return _pairs(await read_body(request, self._limits))


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as exc:
        raise DialectError("the path must end in a UUID") from exc


def _pairs(body: bytes) -> list[tuple[str, str]]:
    """Parse a JSON object, or a form as Asterisk's CURL() sends it.  Raises DialectError for anything else."""
    if body.lstrip().startswith(b"{"):
        return call_parameters.strings(json_fields.parse(body))
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError as exc:
        raise DialectError("the body must be a JSON object or a form") from exc
