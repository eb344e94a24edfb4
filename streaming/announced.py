"""
Calls that sites announce, because their bridge will have no place to say anything of them.

They stand in Redis, so that a call may come to another gateway than the one it was announced to.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from protocol.bridge import DialectError
from protocol.dialects import custom, fields
from protocol.dialects.audiosocket import AudioSocket
from protocol.dialects.base import Request
from protocol.keys import announced

KEEP_SECONDS = 600
"""How long an announced call is waited for."""

_LONGEST_BODY = 65_536

Parameters = tuple[tuple[str, str], ...]
"""What a site says of a call: pairs as they might stand in a query string."""


class Announcements:
    """What was said of each call that is to come, by the UUID under which it will come.  Good for one call."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def put(self, uuid: UUID, parameters: Parameters) -> None:
        """A later one takes the place of an earlier one."""
        await self._redis.set(announced(uuid), msgspec.json.encode(parameters), ex=KEEP_SECONDS)

    async def take(self, uuid: UUID) -> Parameters | None:
        """None for a call that nobody has announced, or that has come already."""
        said = await self._redis.getdel(announced(uuid))
        return None if said is None else msgspec.json.decode(said, type=Parameters)


class Reception:
    """Answers `PUT` and `POST /v1/audiosocket/{uuid}`: a call will come under this UUID."""

    def __init__(self, announcements: Announcements) -> None:
        self._announcements = announcements

    @property
    def route(self) -> Route:
        """Where it is to be served."""
        return Route("/v1/audiosocket/{uuid}", self.answer, methods=["PUT", "POST"])

    async def answer(self, request: HttpRequest) -> Response:
        """201 with what was understood, or 400 with what is wrong."""
        try:
            uuid = _uuid(request.path_params["uuid"])
            parameters = (*request.query_params.multi_items(), *await _said(request))
            dialect = AudioSocket(uuid, Request(request.url.path, parameters))
            await self._announcements.put(uuid, parameters)
        except DialectError as exc:
            return PlainTextResponse(f"{exc}\n", 400)
        except (RedisError, OSError):
            return PlainTextResponse("Redis does not answer\n", 503, {"retry-after": "1"})
        answer = {
            "uuid": str(uuid),
            "call_id": dialect.call_id,
            "rejected_keywords": dialect.rejected_keywords,
            "expires_seconds": KEEP_SECONDS,
        }
        return JSONResponse(answer, 201)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as exc:
        raise DialectError("the path must end in a UUID") from exc


async def _said(request: HttpRequest) -> list[tuple[str, str]]:
    """What stands in the body: a JSON object, or a form as Asterisk's CURL() sends it."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_BODY:
            raise DialectError(f"more than {_LONGEST_BODY} bytes")
    if body.lstrip().startswith(b"{"):
        return custom.strings(_flat(fields.parse(bytes(body))))
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError as exc:
        raise DialectError("the body must be a JSON object or a form") from exc


def _flat(body: Mapping[str, Any]) -> dict[str, object]:
    """Keywords may be a list."""
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in body.items()
    }
