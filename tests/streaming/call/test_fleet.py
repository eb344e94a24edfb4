"""Waiting time of a job for the workers that can process it."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import Event, Listener, calling, pipeline, stream
from support.waiting import PATIENCE

from broker.redis_keys import Partition
from cli.recording import read_recording
from protocol.audio import Encoding, encode
from protocol.events import LoadLevel
from protocol.scheduling.fleet import Fleet, QueueDepth
from protocol.scheduling.worker_capacity import Task, WorkerCapacity
from streaming.overload.task_load import TaskLoads
from workers.engines.base import Capabilities
from workers.job_queue import WorkQueue
from workers.settings import WorkerSettings
from workers.worker import Worker

EN, DE, FR = ("en", "en"), ("de", "de"), ("fr", "fr")
LONG = QueueDepth(1_000, 60.0)
PROMPT = Path(__file__).parent.parent.parent / "speech" / "prompts" / "vm-rec-busy.wav"


def capable(*tasks: Task, most: int | None = None) -> WorkerCapacity:
    return WorkerCapacity(100.0, 10.0, frozenset(tasks), most)


def fleet(*workers: WorkerCapacity, **waiting: QueueDepth) -> Fleet:
    job_streams = {(language, language): depth for language, depth in waiting.items()}
    return Fleet.of(workers, 101.0, job_streams, QueueDepth())


async def degraded_with_reason(heard: Listener) -> Event:
    """A level may also change because this machine is busy."""
    count = 1
    while "reason" not in (told := await heard.until("degraded", count)):
        count += 1
    return told


@pytest.mark.parametrize(
    ("it", "task", "late"),
    [
        (fleet(capable(EN), capable(DE), de=LONG), DE, True),
        (fleet(capable(EN), capable(DE), de=LONG), EN, False),  # others are busy
        (
            fleet(capable(DE, FR), de=LONG),
            FR,
            True,
        ),  # nothing of it waits, but its only worker is busy
        (fleet(capable(DE, FR), capable(FR), de=LONG), FR, False),  # another one is free
        (fleet(capable(EN), de=LONG), DE, True),  # no worker can do it
        (fleet(capable(EN)), DE, False),  # no worker can do it, and nothing waits
        (Fleet.of([capable(EN)], 101.0, {}, LONG), EN, True),  # jobs of an older gateway
    ],
)
def test_a_task_waits_for_its_own_workers(it: Fleet, task: Task, late: bool) -> None:
    assert (it.wait(task) >= 4.0) is late


def test_a_fleet_can_use_as_many_keywords_as_its_weakest_worker() -> None:
    it = fleet(capable(EN, most=20), capable(EN, most=None), capable(DE, most=0))

    assert [it.keyword_limit(task) for task in (EN, DE, FR)] == [20, 0, None]


def test_a_worker_that_is_silent_can_do_nothing() -> None:
    gone = replace(capable(DE), at=80.0)

    assert fleet(capable(EN), gone).tasks == {EN}


def test_each_task_has_a_level_of_its_own() -> None:
    loads = TaskLoads()

    assert loads.observe({EN: 0.1, DE: 5.0})
    assert (loads.level(EN), loads.level(DE)) == (LoadLevel.NORMAL, LoadLevel.NO_NEW_CALLS)
    assert loads.least({EN, DE}) is LoadLevel.NORMAL
    assert loads.least({DE}) is LoadLevel.NO_NEW_CALLS
    assert loads.least(()) is LoadLevel.NO_NEW_CALLS  # no worker has reported its tasks


@dataclass
class Speaks:
    """An engine for one language."""

    language: str

    def engine(self) -> LengthTeller:
        engine = LengthTeller()
        engine.capabilities = Capabilities(
            "made", frozenset({self.language}), keywords=True, max_keywords=3
        )
        return engine


async def test_a_call_whose_last_capable_worker_dies_waits_reports_it_and_is_transcribed_in_the_end(
    redis: Redis, tmp_path: Path
) -> None:
    audio = encode(read_recording(PROMPT).channels[0], Encoding.MULAW) + b"\xff" * 8_000
    settings = WorkerSettings(lease_ms=500, drain_seconds=0)

    def german(name: str) -> asyncio.Task[None]:
        queue = WorkQueue(redis, [Partition(0)], name)
        worker = Worker(queue, [Partition(0)], Speaks("de").engine(), settings)
        return asyncio.ensure_future(worker.run())

    async with pipeline(redis, tmp_path, LengthTeller()) as it, asyncio.timeout(PATIENCE):
        first = german("worker-de")
        known = ""
        while "available: de, en" not in known:  # until both workers have reported to the gateway
            async with calling(it.url, call_id="c0", language="sw") as (bridge, heard):
                await bridge.send('{"type":"stop"}')
                await bridge.wait_closed()
                known = str(heard.of("error"))
        async with calling(it.url, call_id="c1", language="de", keywords=list("abcde")) as (
            bridge,
            heard,
        ):
            applied = await heard.until("keywords.applied")
            first.cancel()
            await asyncio.wait({first})
            await stream(bridge, audio, frame=160, pace=20)
            told = await degraded_with_reason(heard)
            async with calling(it.url, call_id="c2", language="en") as (_, other):
                await other.until("call.started")  # others are taken meanwhile
            await bridge.send('{"type":"stop"}')
            heir = german("worker-de-2")
            ended = await heard.until("call.ended")
            heir.cancel()
            await asyncio.wait({heir})

    assert applied["per_segment"] == 3
    assert told["reason"] == "no running worker transcribes de to de: its jobs wait for one"
    assert heard.of("segment.failed") == []
    assert len(heard.of("segment.final")) == ended["segments"] > 0
