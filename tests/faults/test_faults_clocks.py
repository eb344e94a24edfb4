"""
The clock of one machine is set: C20 of docs/reliability.md.

Only the clock of Redis counts between processes.  A gateway or a worker whose own clock is an hour off, from the
start or by a jump in mid-call, loses nothing.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.job_streams import P0, working
from support.pipeline import calling, gateway, pipeline, stream
from support.spoken_calls import AUDIO, assert_whole
from support.stored import stored_call
from support.waiting import until

from broker.queries import fleet, server_time
from protocol.scheduling.worker_capacity import decode_capacity
from streaming.settings import GatewaySettings

HALF = len(AUDIO) // 2
HOUR = 3_600.0
PROMPT = GatewaySettings(drain_seconds=0, lost_seconds=6)
"""Adopts calls that have been silent for six seconds."""


@dataclass
class Clock:
    """A wall clock that can be set."""

    off: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.off


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
@pytest.mark.parametrize("whose", ["gateway", "worker"])
async def test_c20_a_clock_that_jumps_in_mid_call_changes_nothing(
    redis: Redis, tmp_path: Path, whose: str, jump: float
) -> None:
    clocks = {"gateway": Clock(), "worker": Clock()}
    async with (
        pipeline(
            redis,
            tmp_path,
            LengthTeller(),
            gateway=PROMPT,
            gateway_clock=clocks["gateway"],
            worker_clock=clocks["worker"],
        ) as it,
        gateway(redis, PROMPT),
        calling(it.url, call_id="c1", channels=1) as (bridge, heard),
    ):
        await stream(bridge, AUDIO[:HALF], frame=160, pace=20)
        await heard.until("segment.final")
        clocks[whose].off = jump
        before = len(heard.of("segment.partial"))
        await stream(bridge, AUDIO[HALF:], frame=160, pace=4)
        await heard.until("segment.partial", before + 1)
        await bridge.send('{"type":"stop"}')
        ended = await heard.until("call.ended")
        stored = await stored_call(it.store, "c1")
        able = await fleet(redis, P0, await server_time(redis))

    assert_whole(heard)
    assert ended["reason"] == stored.call.ended_reason == "completed"
    assert len(stored.segments) == len(heard.of("segment.final"))
    assert ("en", "en") in able.tasks


@pytest.mark.parametrize("off", [HOUR, -HOUR])
async def test_c20_a_call_continues_at_a_gateway_with_another_clock(
    redis: Redis, tmp_path: Path, off: float
) -> None:
    """The bridge has no token, so the position of its audio follows from the time since the call began."""
    async with pipeline(redis, tmp_path, LengthTeller(), gateway_clock=Clock(off)) as other:
        began = time.monotonic()
        async with gateway(redis) as url, calling(url, call_id="c1", channels=1) as (bridge, heard):
            await stream(bridge, AUDIO[:HALF], frame=160, pace=20)
            await heard.until("segment.final")
            async with calling(other.url, call_id="c1", channels=1) as (again, log):
                await stream(again, AUDIO[HALF:], frame=160, pace=20)
                await again.send('{"type":"stop"}')
                ended = await log.until("call.ended")
        lasted = time.monotonic() - began

    assert HALF // 8 <= ended["duration_ms"] <= len(AUDIO) // 8 + 1_000 * lasted
    assert sum(ended["channels"][0].values()) == ended["duration_ms"]


@pytest.mark.parametrize("off", [HOUR, -HOUR])
async def test_c20_a_worker_with_another_clock_reports_by_the_clock_of_redis(
    redis: Redis, off: float
) -> None:
    """Otherwise it is taken for dead, or takes all others for dead and deletes their reports."""

    async def report() -> Any:  # bytes
        return await redis.hvals(P0.workers)

    async with working(redis, LengthTeller(), clock=Clock(off)):
        reports = await until(report)
        now = await server_time(redis)

    assert [abs(decode_capacity(one).at - now) < HOUR / 2 for one in reports] == [True]
