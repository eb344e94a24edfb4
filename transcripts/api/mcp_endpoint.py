"""
The MCP server of the API process: streamable HTTP at `/mcp`, with the keys, scopes and tenants of the API.

A tool asks the operations of the API with the credential of its own request, through the same access control: what
a key may not read over HTTP, it may not read here.
"""

import asyncio
from collections.abc import Mapping, Sequence

import httpx
from mcp.server.mcpserver import Context
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from broker.http.middleware import Endpoint
from broker.http.uploads import BodyLimits, UploadError, read_body
from protocol.auth.credentials import Scope
from protocol.auth.http_routes import Route

from ..mcp.tools import CallReader, ReadError, mcp_server
from .client import call_path, error_of
from .messages.responses import error_response

_LONGEST_BODY = 64 * 1_024
_SLOWEST = 1_000.0
"""Bytes per second of a request's body."""

_CREDENTIALS = ("authorization", "x-api-key", "host")


class McpEndpoint:
    """Answers MCP requests.  Stateless: each request is complete, so any API process can answer it."""

    def __init__(self, app: ASGIApp) -> None:
        """`app`: the API with its access control."""
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app), trust_env=False)
        server = mcp_server(self._reader)
        self._manager = StreamableHTTPSessionManager(
            server._lowlevel_server,  # its own `streamable_http_app` does the same
            json_response=True,
            stateless=True,
        )
        self._is_running = asyncio.Event()

    @property
    def endpoint(self) -> Endpoint:
        """The route and the handler.  A request may last as long as `follow_call` waits."""
        route = Route("/mcp", Scope.READ, frozenset({"POST"}))
        return Endpoint(route, self._answer, listens=True)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with self._http, self._manager.run():
            self._is_running.set()
            await asyncio.get_running_loop().create_future()

    async def _answer(self, request: Request) -> ASGIApp:
        await self._is_running.wait()
        try:
            body = await read_body(request, BodyLimits(_LONGEST_BODY, _SLOWEST))
        except UploadError as exc:
            return error_response(exc.status, exc.reason, str(exc))

        async def answer(scope: Connection, receive: Receive, send: Send) -> None:
            await self._manager.handle_request(scope, _Replayed(body, receive), send)

        return answer

    def _reader(self, context: Context) -> CallReader:
        request = context.request_context.request
        assert isinstance(request, Request)
        shown = {name: request.headers[name] for name in _CREDENTIALS if name in request.headers}
        host, port = request.scope["server"]
        where = f"[{host}]" if ":" in host else host
        return _LocalReader(self._http, f"{request.scope['scheme']}://{where}:{port}", shown)


class _Replayed:
    """A body that was read already, as ASGI messages."""

    def __init__(self, body: bytes, after: Receive) -> None:
        self._body: bytes | None = body
        self._after = after

    async def __call__(self) -> Message:
        """Return the body, then what the server sends."""
        if self._body is None:
            return await self._after()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


class _LocalReader:
    """See CallReader: the operations of this process."""

    def __init__(self, http: httpx.AsyncClient, origin: str, headers: Mapping[str, str]) -> None:
        self._http = http
        self._origin = origin
        self._headers = headers

    async def calls(self, parameters: Sequence[tuple[str, str]]) -> bytes:
        """See CallReader."""
        return await self._get("/v1/calls", parameters)

    async def call(self, call_id: str) -> bytes:
        """See CallReader."""
        return await self._get(call_path(call_id))

    async def transcript(self, call_id: str) -> bytes:
        """See CallReader."""
        return await self._get(f"{call_path(call_id)}/transcript.json")

    async def events(self, call_id: str, parameters: Sequence[tuple[str, str]]) -> bytes:
        """See CallReader."""
        return await self._get(f"{call_path(call_id)}/events", parameters)

    async def _get(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> bytes:
        asked = self._http.get(
            self._origin + path, params=list(parameters), headers=dict(self._headers), timeout=None
        )
        answer = await asked
        if answer.is_success:
            return answer.content
        raise ReadError(error_of(answer)[0])
