"""
A machine that lacks resources, and an operator who stops a gateway twice.

Section D of docs/reliability.md: a gateway in its own process, a real Valkey, the rest of the pipeline in this
process.
"""

import asyncio
import fcntl
import json
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import Listener, calling, pipeline, stream
from support.spoken_calls import AUDIO, assert_whole
from support.stored import stored_call
from support.valkey import ValkeyServer
from support.waiting import PATIENCE, until
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from streaming.settings import GatewaySettings

ROOT = Path(__file__).parent.parent.parent
SMALLEST_PIPE = 4_096
"""Bytes; no more than two dozen log lines."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sizes of pipes are Linux's")


@dataclass(frozen=True)
class LoggedGateway:
    """A gateway, and the end of the pipe that its log goes into."""

    url: str
    running: asyncio.subprocess.Process
    log: int

    def read_log(self) -> list[dict[str, object]]:
        """All lines, when the process is gone."""
        with os.fdopen(os.dup(self.log)) as lines:
            return [json.loads(line) for line in lines]


@asynccontextmanager
async def gateway_process(
    valkey: ValkeyServer, first: Callable[[], None] = lambda: None, **settings: str
) -> AsyncIterator[LoggedGateway]:
    """`trunkline gateway` on a free port; `first` runs in the child before it."""
    ready, notify = os.pipe()
    log, write_log = os.pipe()
    fcntl.fcntl(log, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")},
        "TRUNKLINE_REDIS_URL": valkey.url,
        "TRUNKLINE_GATEWAY_VAD": "webrtc",
        "TRUNKLINE_READY_FD": str(notify),
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "trunkline", "gateway", "--port", "0"),
        stderr=write_log, env=environment, cwd=ROOT, pass_fds=[notify], preexec_fn=first,
    )  # fmt: skip
    os.close(notify)
    os.close(write_log)
    with os.fdopen(ready) as said:
        port = (await asyncio.to_thread(said.readline)).strip()
    try:
        yield LoggedGateway(f"ws://127.0.0.1:{port}", process, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(log)


async def whole_call(url: str) -> Listener:
    async with calling(url) as (bridge, heard):
        await stream(bridge, AUDIO, frame=160, pace=20)
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")
    return heard


async def test_d7_a_log_pipe_without_a_reader_blocks_no_call(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()), gateway_process(valkey) as process:
        for _ in range(40):  # each says a line or two
            async with calling(process.url) as (bridge, heard):
                await bridge.send('{"type":"stop"}')
                await heard.until("call.ended")
        assert_whole(await whole_call(process.url))

        reading = asyncio.ensure_future(asyncio.to_thread(process.read_log))
        process.running.terminate()
        assert await process.running.wait() == 0
        lines = await reading

    assert [line["event"] for line in lines].count("call_started") == 41


async def test_d4_a_second_signal_ends_a_gateway_at_once_and_its_calls_are_brought_to_their_end(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    """The first one alone would have waited for the call to end."""
    others = GatewaySettings(drain_seconds=0, lost_seconds=6)
    async with (
        pipeline(redis, tmp_path, LengthTeller(), gateway=others) as it,
        gateway_process(valkey, TRUNKLINE_GATEWAY_DRAIN_SECONDS="600") as process,
    ):
        async with calling(process.url, call_id="c1") as (bridge, heard):
            await stream(bridge, AUDIO[: len(AUDIO) // 2], frame=160, pace=20)
            await heard.until("segment.final")
            process.running.send_signal(signal.SIGTERM)
            await refusing(process.url)
            process.running.send_signal(signal.SIGTERM)
            status = await process.running.wait()
        stored = await stored_call(it.store, "c1")

    assert status == 128 + signal.SIGTERM
    assert stored.call.ended_reason == "gateway lost"
    begun = {event["segment_id"] for event in heard.of("speech.started")}
    assert {str(one.segment) for one in stored.segments} >= begun


async def refusing(url: str) -> None:
    """Returns when the gateway takes no more calls."""

    async def is_refused() -> bool:
        try:
            async with connect(f"{url}/v1/calls"):
                return False
        except WebSocketException:
            return True

    await until(is_refused)


async def let_go(asked: Sequence["asyncio.Future[ClientConnection]"]) -> int:
    """Close all connections that came about, and say how many those were."""
    for one in asked:
        one.cancel()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    inside = [one for one in answers if isinstance(one, ClientConnection)]
    for connection in inside:
        await connection.close()
    return len(inside)


def files(soft: int, hard: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_d6_a_gateway_out_of_files_keeps_the_calls_it_has_and_takes_more_when_there_is_room(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    async with (
        pipeline(redis, tmp_path, LengthTeller()),
        gateway_process(valkey, files(64, 64)) as it,
    ):
        async with calling(it.url) as (bridge, heard):
            await stream(bridge, AUDIO[: len(AUDIO) // 2], frame=160, pace=20)
            asked = [
                asyncio.ensure_future(connect(f"{it.url}/v1/calls", open_timeout=PATIENCE))
                for _ in range(100)
            ]
            await stream(bridge, AUDIO[len(AUDIO) // 2 :], frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
        inside = await let_go(asked)
        later = await whole_call(it.url)

    assert 0 < inside < 64
    assert_whole(heard)
    assert_whole(later)


async def test_a_gateway_takes_all_the_files_that_it_may_have(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    """Many systems give a process 1,024 unless it asks for more."""
    async with gateway_process(valkey, files(64, 512)) as it:
        asked = [asyncio.ensure_future(connect(f"{it.url}/v1/calls")) for _ in range(100)]
        await asyncio.wait(asked)
        inside = await let_go(asked)

    assert inside == 100
