"""The command `mcp`: an MCP server on standard input and output, over the HTTP API."""

import argparse
import asyncio
from collections.abc import Callable, Sequence

from protocol.operator_error import OperatorError
from transcripts.api.client import ApiClient, ApiClientError
from transcripts.settings import ClientSettings

from ..common import configuration_of

try:
    from transcripts.mcp.tools import ReadError, mcp_server
except ModuleNotFoundError as exc:
    raise OperatorError("this needs the package mcp: pip install 'trunkline[mcp]'") from exc


def mcp(options: argparse.Namespace) -> None:
    """Serve until standard input is closed."""
    settings = configuration_of(options).section("client", ClientSettings)
    if not settings.url:
        raise OperatorError("give the URL of the API: --url http://127.0.0.1:8083")
    with ApiClient(settings.url, settings.key) as client:
        asyncio.run(mcp_server(lambda _: _ApiReader(client)).run_stdio_async())


class _ApiReader:
    """See CallReader: an API over HTTP."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def calls(self, parameters: Sequence[tuple[str, str]]) -> bytes:
        """See CallReader."""
        return await _asked(lambda: self._client.calls(parameters))

    async def call(self, call_id: str) -> bytes:
        """See CallReader."""
        return await _asked(lambda: self._client.call(call_id))

    async def transcript(self, call_id: str) -> bytes:
        """See CallReader."""
        return await _asked(lambda: self._client.transcript(call_id, "json").encode())

    async def events(self, call_id: str, parameters: Sequence[tuple[str, str]]) -> bytes:
        """See CallReader."""
        return await _asked(lambda: self._client.events(call_id, parameters))


async def _asked(ask: Callable[[], bytes]) -> bytes:
    try:
        return await asyncio.to_thread(ask)
    except ApiClientError as exc:
        raise ReadError(str(exc)) from exc
