"""The load of the workers, and the work that a gateway sheds."""

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import Event, calling, pipeline, stream
from support.waiting import PATIENCE
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from broker.redis_keys import CallKeys, Partition
from cli.recording import read_recording
from protocol.audio import Encoding, encode
from protocol.calls.call import CallConfig, Role
from protocol.events import LoadLevel
from protocol.scheduling.backlog import Backlog, capacity_of
from protocol.scheduling.worker_capacity import WorkerCapacity
from streaming.call.checkpoint import Checkpoint, hashed
from streaming.call_store import CallStore
from streaming.overload.load_shedding import LoadShedder
from streaming.settings import GatewaySettings

PROMPT = Path(__file__).parent.parent.parent / "speech" / "prompts" / "vm-rec-busy.wav"


def test_a_long_wait_is_answered_at_once_by_the_level_it_calls_for() -> None:
    load = LoadShedder()

    changed = [load.observe(wait) for wait in (0.2, 1.5, 5.0)]

    assert changed == [False, True, True]
    assert load.level is LoadLevel.NO_NEW_CALLS


def test_a_level_is_left_one_step_at_a_time_and_only_after_a_while_of_calm() -> None:
    load = LoadShedder()
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


@pytest.mark.parametrize("worst", [1.5, 2.5, 5.0, 60.0])
def test_every_level_is_left_at_once_when_the_queue_is_empty(worst: float) -> None:
    load = LoadShedder()
    load.observe(worst)

    changed = load.observe(Backlog(segments=0, oldest_seconds=0.0, capacity=0.0).wait)

    assert changed
    assert load.level is LoadLevel.NORMAL


def test_a_short_queue_is_not_an_empty_one() -> None:
    load = LoadShedder()
    load.observe(5.0)

    load.observe(Backlog(segments=1, oldest_seconds=0.01, capacity=100.0).wait)

    assert load.level is LoadLevel.NO_NEW_CALLS


@pytest.mark.parametrize(
    ("backlog", "wait"),
    [
        (Backlog(0, 0.0, 0.0), 0.0),
        (Backlog(40, 9.0, 100.0), 2.0),
        (Backlog(40, 1.0, 100.0), 1.0),
        (Backlog(1, 30.0, 100.0), 0.05),  # one segment that no worker can read
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


async def test_without_workers_calls_are_notified_and_new_ones_refused_but_finals_arrive_later(
    redis: Redis, tmp_path: Path
) -> None:
    audio = encode(read_recording(PROMPT).channels[0], Encoding.MULAW) + b"\xff" * 8_000

    async with pipeline(redis, tmp_path, None) as it:
        async with calling(it.url, call_id="c1") as (bridge, heard):
            await stream(bridge, audio, frame=160, pace=20)
            async with asyncio.timeout(PATIENCE):
                count = 1
                while (await heard.until("degraded", count))["level"] != "no_new_calls":
                    count += 1
            async with calling(it.url, call_id="c2") as (other, told):
                await other.wait_closed()
            with pytest.raises(InvalidStatus) as refused:
                async with connect(f"{it.url}/twilio"):
                    pass
            (tmp_path / "again").mkdir()
            async with pipeline(redis, tmp_path / "again", LengthTeller()):
                await bridge.send('{"type":"stop"}')
                await heard.until("call.ended")

    assert refused.value.response.status_code == 503
    assert other.close_code == 1013
    assert [(one["code"], one["retryable"]) for one in told.of("error")] == [("overloaded", True)]
    assert len(heard.of("segment.final")) == heard.events[-1]["segments"] > 0


async def test_a_language_that_no_worker_knows_is_refused_when_the_call_starts(
    redis: Redis, tmp_path: Path
) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it, asyncio.timeout(PATIENCE):
        complaints: list[Event] = []
        while not complaints:  # until its workers have reported to the gateway
            async with calling(it.url, language="sw") as (bridge, heard):
                await bridge.send('{"type":"stop"}')
                await bridge.wait_closed()
                complaints = heard.of("error")
        async with calling(it.url, language="en-GB") as (bridge, heard):
            await heard.until("call.started")

    assert "no running worker transcribes sw to sw; available: en" in complaints[0]["message"]


async def test_a_bridge_gets_its_call_back_although_no_worker_knows_its_language_now(
    redis: Redis, tmp_path: Path
) -> None:
    """A gateway and the workers of a language may be gone at the same time."""
    config = CallConfig(language="sw")
    before = Checkpoint((Role.MIXED,), "native", 0.0, config, (0,), token=hashed("its token"))
    await CallStore(redis, CallKeys(Partition(0), "c1"), "gone").open("log-a", before)

    async with pipeline(redis, tmp_path, LengthTeller()) as it, asyncio.timeout(PATIENCE):
        refused: list[Event] = []
        while not refused:  # until its workers have reported to the gateway
            async with calling(it.url, language="sw") as (bridge, heard):
                await bridge.send('{"type":"stop"}')
                await bridge.wait_closed()
                refused = heard.of("error")
        async with calling(it.url, call_id="c1", language="sw", token="its token") as (_, heard):
            await heard.until("ready")

    assert heard.of("error") == []


async def test_a_gateway_that_is_busy_refuses_new_calls_and_says_when_to_come_back(
    redis: Redis, tmp_path: Path
) -> None:
    settings = GatewaySettings(drain_seconds=0, cpu_limit=0.001)

    async with (
        pipeline(redis, tmp_path, LengthTeller(), gateway=settings) as it,
        calling(it.url, call_id="c0") as (_, first),
    ):
        await first.until("call.started")
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"{it.url}/twilio"):
                pass
        with pytest.raises(InvalidStatus) as health:
            async with connect(f"{it.url}/readyz"):
                pass
        async with calling(it.url, call_id="c1") as (bridge, told):
            await bridge.wait_closed()

    response = refused.value.response
    assert response.status_code == 503
    seconds = int(response.headers["Retry-After"])
    assert 1 <= seconds <= 30
    assert (
        response.body
        == f"this gateway has no room for a new call: try again in {seconds} s\n".encode()
    )
    assert b"cpu_limit" in (health.value.response.body or b"")
    assert bridge.close_code == 1013
    (error,) = told.of("error")
    assert error["retryable"]
    assert "try again in" in error["message"]
