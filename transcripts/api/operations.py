"""What an operation of the API is: route, handler and description."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import structlog
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.types import ASGIApp

from broker.http.middleware import Endpoint
from broker.http.uploads import BodyLimits, UploadError, read_body
from protocol.auth.credentials import Scope
from protocol.auth.http_routes import Route

from .messages.errors import ApiError
from .messages.responses import error_response

_LONGEST_BODY = 1024 * 1024
_SLOWEST = 1_000.0
"""Bytes per second of a request's body."""

_Body = TypeVar("_Body")

Handler = Callable[[Request], Awaitable[ASGIApp]]

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter or header.  `schema`: JSON Schema."""

    name: str
    text: str
    schema: dict[str, object] = field(default_factory=lambda: {"type": "string"})
    where: str = "query"


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful response: its type, or None for no body or a text of the content types `media`."""

    text: str
    body: type | None = None
    media: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: what a method does on a path."""

    method: str
    path: str
    scope: Scope | None
    handler: Handler
    name: str
    summary: str
    answers: dict[int, Answer]
    parameters: tuple[Parameter, ...] = ()
    body: type | None = None
    errors: tuple[int, ...] = ()
    listens: bool = False
    details: str = ""

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint for the middleware."""
        route = Route(self.path, self.scope, frozenset({self.method}))
        return Endpoint(route, self._answer, self.listens)

    async def _answer(self, request: Request) -> ASGIApp:
        try:
            return await self.handler(request)
        except ApiError as exc:
            return error_response(exc.status, exc.code, str(exc))
        except UploadError as exc:
            return error_response(exc.status, exc.reason, str(exc))
        except (RedisError, OSError) as exc:
            logger.warning("redis_unavailable", error=type(exc).__name__)
            return error_response(503, "redis_unavailable", "Redis does not answer; try again")


async def read_json(request: Request, kind: type[_Body]) -> _Body:
    """Read a JSON body.  Raises ApiError or UploadError."""
    content = await read_body(request, BodyLimits(_LONGEST_BODY, _SLOWEST))
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as exc:
        raise ApiError(422, "bad_body", str(exc)) from exc
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ApiError(400, "bad_body", "the body must be JSON") from exc
