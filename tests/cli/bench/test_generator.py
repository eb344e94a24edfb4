"""The generator process against servers that refuse, stall and hang up.  No assertion depends on speed."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from cli.bench.load_generator.load_plan import LoadPlan, LoadReport
from cli.bench.row import faults_of

ENDED = {"type": "call.ended", "reason": "completed"}


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    """Two channels of a quarter of a second."""
    file = tmp_path / "speech"
    file.write_bytes(bytes(4_000))
    return file


@asynccontextmanager
async def server(
    handle: Callable[[ServerConnection], Awaitable[None]], refusals: int = 0
) -> AsyncIterator[str]:
    """A server that refuses the first connections and then lets `handle` answer."""
    left = refusals

    def admit(socket: ServerConnection, request: Request) -> Response | None:
        nonlocal left
        if not left:
            return None
        left -= 1
        response = socket.respond(503, "full\n")
        response.headers["Retry-After"] = "1"
        return response

    async with serve(handle, "127.0.0.1", 0, process_request=admit, compression=None) as it:
        yield f"ws://127.0.0.1:{next(iter(it.sockets)).getsockname()[1]}"


async def generate(url: str, audio: Path, seconds: float = 2.0, **changed: object) -> LoadReport:
    """Run the generator for that time; all but its first second is measured."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.bench.load_generator.generator"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    begins = time.monotonic() + 0.1
    plan = {
        **{
            "url": url,
            "dialect": "native",
            "audio": str(audio),
            "calls": 3,
            "begins": begins,
            "spread": 0.2,
        },
        **{"measured_from": begins + 1, "ends": begins + seconds, "settle": 20.0, "tail_ms": 100.0},
    }
    said, _ = await process.communicate(msgspec.json.encode(plan | changed))
    return msgspec.json.decode(said, type=LoadReport)


def ended(received: int) -> str:
    """The end of a call of which so many bytes of two channels were received."""
    return json.dumps(ENDED | {"channels": [{"silence_ms": received / 16}, {}]})


async def transcribe(socket: ServerConnection) -> None:
    """Answer pings, and account for all audio when the bridge stops."""
    received = 0
    async for message in socket:
        if isinstance(message, bytes):
            received += len(message)
        elif '"ping"' in message:
            await socket.send('{"type":"pong"}')
        elif '"stop"' in message:
            await socket.send('{"type":"segment.final","end_ms":500}')
            await socket.send(ended(received))
            return


async def test_calls_are_played_to_their_end_and_every_frame_is_accounted_for(audio: Path) -> None:
    async with server(transcribe) as url:
        report = await generate(url, audio, probe=True)

    assert report.frames > 0
    assert report.lag
    assert len(report.calls) == 3
    assert all(one.sent_ms > 0 and one.finals == 1 for one in report.calls)
    assert [faults_of(one) for one in report.calls] == [[], [], []]


async def test_a_probe_alone_measures_lag_and_its_own_lateness(audio: Path) -> None:
    async with server(transcribe) as url:
        report = await generate(url, audio, probe=True, calls=0)

    assert report.frames == 0
    assert report.lag
    assert len(report.probe_lateness) == len(report.lag)


async def test_a_refused_bridge_comes_back_when_it_was_told_to(audio: Path) -> None:
    async with server(transcribe, refusals=2) as url:
        report = await generate(url, audio, seconds=8.0)

    assert report.refused == {"HTTP 503": 2}
    assert len(report.calls) == 3
    assert max(one.opened for one in report.calls) >= 1


async def test_a_bridge_that_is_refused_after_its_start_tries_again(audio: Path) -> None:
    said: list[float] = []

    async def refuse_once(socket: ServerConnection) -> None:
        await anext(aiter(socket))
        if not said:
            said.append(time.monotonic())
            error = {"type": "error", "code": "overloaded", "message": "try again in 1 s"}
            await socket.send(json.dumps(error))
            await socket.close(1013, "overloaded")
            return
        await transcribe(socket)

    async with server(refuse_once) as url:
        report = await generate(url, audio, seconds=8.0, calls=1)

    assert report.refused == {"told to try again": 1}
    assert [faults_of(one) for one in report.calls] == [[]]


async def test_probes_without_an_answer_count_for_as_long_as_they_waited(audio: Path) -> None:
    async def stall(socket: ServerConnection) -> None:
        async for message in socket:
            if isinstance(message, str) and '"stop"' in message:
                await socket.send(ended(0))

    async with server(stall) as url:
        report = await generate(url, audio, probe=True, settle=0.0)

    assert len(report.lag) > 50
    assert max(report.lag) >= 1_000


async def test_a_server_that_hangs_up_has_lost_the_call(audio: Path) -> None:
    async def hang_up(socket: ServerConnection) -> None:
        for _ in range(20):
            await socket.recv()
        await socket.close(4103, "taken")

    async with server(hang_up) as url:
        report = await generate(url, audio, calls=1)

    (call,) = report.calls
    broken, unended = faults_of(call)
    assert broken.startswith("connection: closed with 4103, after ")
    assert unended == "its end never came"


async def test_audio_in_no_account_is_reported(audio: Path) -> None:
    async def forget(socket: ServerConnection) -> None:
        try:
            async for message in socket:
                if isinstance(message, str) and '"stop"' in message:
                    await socket.send(ended(320 * 10))
        except ConnectionClosed:
            pass

    async with server(forget) as url:
        report = await generate(url, audio, calls=1)

    (call,) = report.calls
    assert any("are in no account" in fault for fault in faults_of(call))


def test_a_plan_survives_its_way_to_the_process() -> None:
    plan = LoadPlan(
        "ws://h:1", "native", "f", 3, 1.0, 0.5, 2.0, 3.0, 4.0, 100.0, 0, "k", probe=True
    )

    assert msgspec.json.decode(msgspec.json.encode(plan), type=LoadPlan) == plan
