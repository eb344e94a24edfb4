"""Errors of the simulated bridge: gateway unreachable, call refused, connection closed."""

import asyncio
import socket
from http import HTTPStatus

import numpy as np
import pytest
from support.waiting import PATIENCE
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from cli.recording import Recording
from cli.simulated_bridge import PATHS, CallPlan, Playback, PlaybackError, play

SILENCE = Recording((np.zeros(800, np.int16),))


async def fault(url: str, dialect: str = "native") -> str:
    """The text that the user of the terminal sees."""
    playback = Playback(url, dialect, SILENCE, CallPlan("call-1", ("mixed",)), pace=1_000)
    with pytest.raises(PlaybackError) as told:
        async with asyncio.timeout(PATIENCE):
            await play(playback, lambda _: None, lambda _: None, asyncio.Event())
    return str(told.value)


@pytest.mark.parametrize("dialect", PATHS)
async def test_without_a_gateway_the_error_says_to_start_it(dialect: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = f"ws://127.0.0.1:{server.getsockname()[1]}"

    assert "start it, or check the address" in await fault(free, dialect)


@pytest.mark.parametrize("address", ["ws://", "ftp://127.0.0.1"])
async def test_what_is_no_address_is_named(address: str) -> None:
    assert f"{address} is not the address" in await fault(address)


async def not_reached(_: ServerConnection) -> None:
    """The handler of a server that refuses each connection."""


@pytest.mark.parametrize("dialect", PATHS)
async def test_a_refusal_is_quoted_with_the_time_to_come_back(dialect: str) -> None:
    def refuse(socket: ServerConnection, _: Request) -> Response:
        response = socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "no room for another call\n")
        response.headers["Retry-After"] = "3"
        return response

    async with serve(not_reached, "127.0.0.1", 0, process_request=refuse) as server:
        said = await fault(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", dialect)

    assert "HTTP 503; try again in 3 s: no room for another call" in said


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1013, "overloaded"), (1008, "hello")])
async def test_a_gateway_that_leaves_early_is_said_with_its_reason(code: int, reason: str) -> None:
    async def leave(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.close(code, reason)

    async with serve(leave, "127.0.0.1", 0) as server:
        said = await fault(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")

    assert f"{reason or 'no reason given'}, code {code}" in said


async def test_a_connection_that_breaks_is_no_traceback() -> None:
    async def vanish(socket: ServerConnection) -> None:
        await socket.recv()
        socket.transport.abort()

    async with serve(vanish, "127.0.0.1", 0) as server:
        said = await fault(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")

    assert "closed the connection before the call ended" in said
