"""How the sessions of a gateway come to their end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from support.pipeline import calling
from support.waiting import PATIENCE

from streaming.metrics import GatewayMeter
from streaming.server import Gateway
from streaming.session.bridge.open_sessions import OpenSessions
from streaming.settings import GatewaySettings


class Session:
    """Ends when it is told to leave, unless it hangs."""

    def __init__(self, *, hangs: bool) -> None:
        self.told = asyncio.Event()
        self._hangs = hangs

    async def leave(self) -> None:
        self.told.set()
        if self._hangs:
            await asyncio.Event().wait()

    async def run(self) -> None:
        await (asyncio.Event() if self._hangs else self.told).wait()


@asynccontextmanager
async def running(sessions: OpenSessions, session: Session) -> AsyncIterator[asyncio.Task[None]]:
    async def run() -> None:
        with sessions.inside(session):
            await session.run()

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    yield task
    await asyncio.wait({task})


async def test_sessions_are_told_to_leave_when_their_time_is_over() -> None:
    sessions = OpenSessions()
    session = Session(hangs=False)

    async with running(sessions, session) as task:
        await sessions.end(0.0, 60.0)

    assert task.done()
    assert not task.cancelled()
    assert len(sessions) == 0


async def test_a_session_that_never_leaves_is_cancelled() -> None:
    sessions = OpenSessions(leave_seconds=0.05)

    async with running(sessions, Session(hangs=True)) as task, asyncio.timeout(PATIENCE):
        await sessions.end(0.0, 0.0)

    assert task.cancelled()


async def test_nothing_is_waited_for_when_there_is_no_session() -> None:
    async with asyncio.timeout(PATIENCE):
        await OpenSessions().end(3_600.0, 3_600.0)


class BrokenMeter(GatewayMeter):
    """Fails in the task that watches the calls."""

    def without_worker(self, calls: int) -> None:
        raise RuntimeError(calls)


async def test_a_gateway_whose_background_task_fails_ends_within_a_limit(redis: Redis) -> None:
    settings = GatewaySettings(
        port=0, drain_seconds=3_600, hold_seconds=3_600, store_wait_seconds=0
    )
    gateway = Gateway(redis, 1, settings, None, meter=BrokenMeter(CollectorRegistry()))
    port = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(gateway.run(port.set_result))

    async with asyncio.timeout(PATIENCE):
        async with calling(f"ws://127.0.0.1:{await port}") as (bridge, heard):
            await heard.until("call.started")
            await bridge.wait_closed()
        await asyncio.wait({serving})

    with pytest.raises(ExceptionGroup) as failed:
        serving.result()
    assert failed.group_contains(RuntimeError)
