"""The load of the workers, and what a gateway leaves out."""

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.ring import calling, ring, stream
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from console.recording import read_recording
from protocol.audio import Encoding, encode
from protocol.capacity import WorkerCapacity
from protocol.events import LoadLevel
from streaming.load import Backlog, Load, capacity_of

PROMPT = Path(__file__).parent.parent / "speech" / "prompts" / "vm-rec-busy.wav"


def test_a_long_wait_is_answered_at_once_by_the_level_it_calls_for() -> None:
    load = Load()

    changed = [load.observe(wait) for wait in (0.2, 1.5, 5.0)]

    assert changed == [False, True, True]
    assert load.level is LoadLevel.NO_NEW_CALLS


def test_a_level_is_left_one_step_at_a_time_and_only_after_a_while_of_calm() -> None:
    load = Load()
    load.observe(2.5)

    hesitating = [load.observe(wait) for wait in (0.1, 0.1, 1.5, 0.1, 0.1, 0.1, 0.1)]
    calm = load.observe(0.1)
    levels = [load.level]
    for _ in range(5):
        load.observe(0.1)
    levels.append(load.level)

    assert not any(hesitating)
    assert calm
    assert levels == [LoadLevel.FEWER_PARTIALS, LoadLevel.NORMAL]


@pytest.mark.parametrize(
    ("backlog", "wait"),
    [
        (Backlog(0, 0.0, 0.0), 0.0),
        (Backlog(40, 9.0, 100.0), 2.0),
        (Backlog(40, 1.0, 100.0), 1.0),
        (Backlog(1, 30.0, 100.0), 0.05),  # one segment that nobody can read
        (Backlog(40, 9.0, None), 9.0),
        (Backlog(40, 9.0, 0.0), 9.0),
    ],
)
def test_the_wait_is_what_the_workers_need_for_what_lies_there(
    backlog: Backlog, wait: float
) -> None:
    assert backlog.wait == pytest.approx(wait)


def test_the_capacity_is_that_of_all_workers_that_still_speak() -> None:
    alive, gone = WorkerCapacity(100.0, 30.0), WorkerCapacity(80.0, 70.0)

    assert capacity_of([alive, alive, gone], now=102.0) == 60.0
    assert capacity_of([alive, WorkerCapacity(101.0, None)], now=102.0) is None
    assert capacity_of([gone], now=102.0) == 0


async def test_without_workers_calls_are_told_and_new_ones_refused_but_finals_come_in_the_end(
    redis: Redis, tmp_path: Path
) -> None:
    audio = encode(read_recording(PROMPT).channels[0], Encoding.MULAW) + b"\xff" * 8_000

    async with ring(redis, tmp_path, None) as it:
        async with calling(it.url, call_id="c1") as (bridge, heard):
            await stream(bridge, audio, frame=160, pace=20)
            async with asyncio.timeout(30):
                count = 1
                while (await heard.until("degraded", count))["level"] != "no_new_calls":
                    count += 1
            async with calling(it.url, call_id="c2") as (other, told):
                await other.wait_closed()
            with pytest.raises(InvalidStatus) as refused:
                async with connect(f"{it.url}/twilio"):
                    pass
            (tmp_path / "again").mkdir()
            async with ring(redis, tmp_path / "again", LengthTeller()):
                await bridge.send('{"type":"stop"}')
                await heard.until("call.ended")

    assert refused.value.response.status_code == 503
    assert other.close_code == 1013
    assert [(one["code"], one["retryable"]) for one in told.of("error")] == [("overloaded", True)]
    assert len(heard.of("segment.final")) == heard.events[-1]["segments"] > 0


async def test_a_language_that_no_worker_knows_is_refused_when_the_call_starts(
    redis: Redis, tmp_path: Path
) -> None:
    async with ring(redis, tmp_path, LengthTeller()) as it, asyncio.timeout(30):
        complaints = []
        while not complaints:  # until the gateway has heard of its workers
            async with calling(it.url, language="sw") as (bridge, heard):
                await bridge.send('{"type":"stop"}')
                await bridge.wait_closed()
                complaints = heard.of("error")
        async with calling(it.url, language="en-GB") as (bridge, heard):
            await heard.until("call.started")

    assert "no worker here hears sw and writes sw; there are en" in complaints[0]["message"]
