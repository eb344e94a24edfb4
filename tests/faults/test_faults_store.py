"""
A database that cannot store: D5 of docs/reliability.md.

The recorder is a separate process. While another program locks its database, or the disk is full, a call ends and
Redis loses its memory: the gateway holds the events that are not stored.
"""

import asyncio
import json
import os
import resource
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.gateways import ROOT, working
from support.pipeline import calling, gateway, stream
from support.spoken_calls import AUDIO, assert_whole
from support.stored import stored_call
from support.valkey import ValkeyServer
from support.waiting import PATIENCE

from transcripts.store import Store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")


@dataclass(frozen=True)
class RecorderProcess:
    """A recorder, and the file of its store."""

    running: asyncio.subprocess.Process
    file: Path

    async def logged(self, event: str) -> dict[str, object]:
        """Wait for the next log line of a kind."""
        assert self.running.stderr is not None
        async with asyncio.timeout(PATIENCE):
            while line := await self.running.stderr.readline():
                said: dict[str, object] = json.loads(line)
                if said["event"] == event:
                    return said
        raise AssertionError(f"the recorder ended without {event}")


@asynccontextmanager
async def recorder_process(valkey: ValkeyServer, file: Path) -> AsyncIterator[RecorderProcess]:
    """`trunkline recorder`, ready."""
    ready, notify = os.pipe()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")},
        "TRUNKLINE_REDIS_URL": valkey.url,
        "TRUNKLINE_RECORDER_STORE": f"sqlite:///{file}",
        "TRUNKLINE_READY_FD": str(notify),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "trunkline", "recorder"),
        stderr=asyncio.subprocess.PIPE, env=environment, cwd=ROOT, pass_fds=[notify],
    )  # fmt: skip
    os.close(notify)
    with os.fdopen(ready) as said:
        await asyncio.to_thread(said.readline)
    try:
        yield RecorderProcess(process, file)
    finally:
        process.kill()
        await process.communicate()


@contextmanager
def locked(it: RecorderProcess) -> Iterator[None]:
    """Another program writes, and does not come to its end."""
    with closing(sqlite3.connect(it.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def full(it: RecorderProcess) -> Iterator[None]:
    """No file of the recorder may become longer, as on a full disk."""
    before = resource.prlimit(it.running.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    yield
    resource.prlimit(it.running.pid, resource.RLIMIT_FSIZE, before)


Fault = Callable[[RecorderProcess], AbstractContextManager[None]]


@pytest.mark.parametrize("fault", [pytest.param(locked, marks=pytest.mark.long), full])
async def test_d5_a_call_that_cannot_be_stored_is_held_and_stored_afterwards(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path, fault: Fault
) -> None:
    async with (
        gateway(redis) as url,
        working(redis, LengthTeller()),
        recorder_process(valkey, tmp_path / "store.db") as recorder,
    ):
        with fault(recorder):
            async with calling(url, call_id="c1", channels=1) as (bridge, heard):
                await stream(bridge, AUDIO, frame=160, pace=20)
                await bridge.send('{"type":"stop"}')
                await heard.until("call.ended")
            said = await recorder.logged("store_unavailable")
            valkey.kill()
            valkey.start()
        with closing(Store.open(f"sqlite:///{recorder.file}")) as store:
            stored = await stored_call(store, "c1")

    assert_whole(heard)
    assert "SQLITE" in str(said["remedy"])
    assert [one.text for one in stored.segments] == [
        event["text"] for event in heard.of("segment.final")
    ]
    assert stored.call.duration == len(AUDIO)
