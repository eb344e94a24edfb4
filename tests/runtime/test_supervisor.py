"""Parts that die, hang or crash again and again, with real processes."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.job_streams import JobStream, speech
from support.valkey import ValkeyServer

from protocol.events import Final, SegmentFailed
from runtime.child_process import ChildProcess
from runtime.restart import LATELY_SECONDS, PAUSES, CrashHistory, StackError
from runtime.supervisor import CRASHES, supervise

ROOT = Path(__file__).parent.parent.parent

WORKER = """
import asyncio, ctypes, os, sys
sys.path[:0] = [{root!r}, {tests!r}]
from support.engines import LengthTeller

from broker.connections.connection import connect
from runtime.process import heartbeat, consumer_name, log_as_json, say_ready, until_told_to_stop
from broker.redis_keys import Partition
from protocol.settings import RedisSettings
from workers.job_queue import WorkQueue
from workers.settings import WorkerSettings
from workers.worker import Worker

class Moody(LengthTeller):
    def transcribe(self, batch):
        lengths = {{len(one.samples) // 1_600 for one in batch}}
        if 13 in lengths:
            os.kill(os.getpid(), 9)
        if 14 in lengths:
            ctypes.PyDLL(None).sleep(10_000)  # holds the interpreter: nothing in this process moves any more
        return super().transcribe(batch)

async def work():
    redis = connect(RedisSettings(url=os.environ["VALKEY"]))
    queue = WorkQueue(redis, [Partition(0)], consumer_name())
    await queue.prepare()
    settings = WorkerSettings(lease_ms=500, step_limit_seconds=1.0, max_deliveries=2)
    print("begun", os.getpid(), flush=True)
    say_ready("moody")
    await Worker(queue, [Partition(0)], Moody(), settings, heartbeat=heartbeat).run()

log_as_json("worker")
asyncio.run(until_told_to_stop(work()))
"""
"""A worker whose engine dies of a segment of 1.3 s, and hangs on one of 1.4 s."""

PARENT = """
import asyncio, sys
sys.path.insert(0, {root!r})
from runtime.child_process import ChildProcess
from runtime.process import log_as_json, until_told_to_stop
from runtime.supervisor import supervise

log_as_json("supervisor")
part = ChildProcess("worker", program=(sys.executable, "-c", {worker!r}), silence=2.0)
asyncio.run(until_told_to_stop(supervise(part, 10.0, lambda said: print("ready", said, flush=True))))
"""

LONG = 60.0
"""Seconds after which a test gives up: nothing waits for it to pass."""


@dataclass(frozen=True)
class Supervised:
    """A supervisor in its own process, and the output of it and its children."""

    process: asyncio.subprocess.Process

    async def says(self, pattern: str) -> str:
        """The first group of the next line that matches."""
        assert self.process.stdout is not None
        async with asyncio.timeout(LONG):
            while line := await self.process.stdout.readline():
                if found := re.search(pattern, line.decode()):
                    return found[1]
        raise AssertionError(f"it ended without saying {pattern}")

    async def ends(self) -> int:
        async with asyncio.timeout(LONG):
            return await self.process.wait()


@pytest.fixture
async def supervised(valkey: ValkeyServer) -> AsyncIterator[Supervised]:
    worker = WORKER.format(root=str(ROOT), tests=str(ROOT / "tests"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT.format(root=str(ROOT), worker=worker)),
        env={**os.environ, "VALKEY": valkey.url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    yield Supervised(process)
    if process.returncode is None:
        process.kill()
    await process.communicate()


@pytest.fixture
async def job_stream(redis: object) -> JobStream:
    job_stream = JobStream(redis)  # type: ignore[arg-type]
    await job_stream.begin()
    return job_stream


async def test_a_segment_that_kills_its_worker_costs_no_other_and_is_given_up_in_the_end(
    supervised: Supervised, job_stream: JobStream
) -> None:
    for channel, tenths in enumerate([5, 13, 7]):
        await job_stream.queue(channel, speech(tenths))

    terminal = [await job_stream.next_terminal() for _ in range(3)]

    assert sorted(one.text for one in terminal if isinstance(one, Final)) == [
        "5 tenths",
        "7 tenths",
    ]
    (failed,) = (one for one in terminal if isinstance(one, SegmentFailed))
    assert failed.segment.channel == 1


@pytest.mark.waits
async def test_a_worker_that_hangs_with_all_its_threads_is_killed_and_another_goes_on(
    supervised: Supervised, job_stream: JobStream
) -> None:
    first = await supervised.says(r"begun (\d+)")

    await job_stream.queue(0, speech(14))
    killed_for = await supervised.says(r'"event": "(process_hangs)"')
    status = await supervised.says(r'"status": (-?\d+).*process_died')
    second = await supervised.says(r"begun (\d+)")
    await job_stream.queue(1, speech(5))
    terminal = [await job_stream.next_terminal() for _ in range(2)]

    assert killed_for
    assert int(status) == -signal.SIGKILL
    assert first != second
    assert [one.text for one in terminal if isinstance(one, Final)] == ["5 tenths"]
    assert [one.segment.channel for one in terminal if isinstance(one, SegmentFailed)] == [0]


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)]
)
async def test_supervisor_stops_its_child_before_it_ends(
    supervised: Supervised, number: signal.Signals
) -> None:
    child = int(await supervised.says(r"begun (\d+)"))
    await supervised.says(r"(ready moody)")

    supervised.process.send_signal(number)

    assert await supervised.says(r'("event": "stopped", "part": "worker")')
    assert await supervised.ends() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


async def test_a_child_whose_supervisor_is_killed_stops_by_itself(supervised: Supervised) -> None:
    await supervised.says(r"begun (\d+)")

    supervised.process.kill()

    assert await supervised.says(r'("event": "stopped", "part": "worker")')


@pytest.mark.waits
async def test_one_that_dies_again_and_again_is_given_up_with_a_clear_line() -> None:
    crashing = """
import os
with os.fdopen(int(os.environ["TRUNKLINE_READY_FD"]), "w") as ready:
    print("ready", file=ready)
"""
    part = ChildProcess("worker", program=(sys.executable, "-c", crashing + "os._exit(7)"))
    said: list[str] = []

    with pytest.raises(StackError, match=f"worker died {CRASHES} times .* status 7") as given_up:
        await supervise(part, 1.0, said.append)

    assert said == ["ready"]
    assert "not started again" in str(given_up.value)


def test_deaths_make_pauses_longer_until_they_are_long_ago() -> None:
    crashes = CrashHistory()
    pauses = []
    for second in range(6):
        crashes = crashes.another(second)
        pauses.append(crashes.pause)

    later = crashes.another(LATELY_SECONDS + 10)

    assert pauses == [*PAUSES, PAUSES[-1], PAUSES[-1]]
    assert (len(crashes.at), later.pause) == (6, PAUSES[0])
