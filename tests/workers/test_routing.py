"""Routing of jobs to workers that support them, on a real Valkey: a mixed fleet, one that dies, and jobs of an older gateway."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import pytest
from redis.asyncio import Redis
from support.answers import entries_of

from broker.redis_keys import CallKeys, Partition
from protocol.calls.call import CallConfig, Role
from protocol.events import SegmentId
from protocol.scheduling.jobs import VERSION, Job, decode_job, encode_job, stream_suffix, task_of
from protocol.scheduling.worker_capacity import Task
from streaming.call.checkpoint import Checkpoint
from streaming.call.ledger import QueueFinal, StoreAudio
from streaming.call_store import CallStore
from workers.job_queue import Outcome, WorkQueue

P0 = Partition(0)
CALL = CallKeys(P0, "call-1")
EN, DE, DE_EN = ("en", "en"), ("de", "de"), ("de", "en")


@pytest.fixture
async def gateway(redis: Redis) -> CallStore:
    queue = CallStore(redis, CALL, "owner-a")
    await queue.open("log-a", Checkpoint((Role.MIXED,), "native", 0.0, CallConfig(), (0,)))
    return queue


def job(number: int, task: Task) -> Job:
    spoken, written = task
    to = None if written == spoken else written
    return Job("call-1", "log-a", SegmentId(number, 0), 0, 0.0, spoken, to, end=8)


async def queue(gateway: CallStore, *tasks: Task) -> None:
    for number, task in enumerate(tasks):
        one = job(number, task)
        await gateway.perform(
            [StoreAudio(one.segment, 0, b"audio!"), QueueFinal(one.segment, encode_job(one), 6)]
        )


async def worker(redis: Redis, name: str, *tasks: Task) -> WorkQueue:
    work = WorkQueue(redis, [P0], name)
    work.serve(frozenset(tasks))
    await work.prepare()
    return work


async def claimed(work: WorkQueue) -> list[Task]:
    return [one.job.task for one in await work.claim(P0, room=8, wait_ms=10)]


async def test_each_worker_claims_what_it_can_do_and_nothing_else(
    redis: Redis, gateway: CallStore
) -> None:
    english, german = await worker(redis, "english", EN), await worker(redis, "german", DE, DE_EN)
    await queue(gateway, EN, DE, DE_EN, EN)

    assert sorted(await claimed(german)) == [DE, DE_EN]
    assert await claimed(english) == [EN, EN]
    assert await claimed(german) == []


async def test_what_a_dead_worker_had_is_taken_over_by_one_that_can_do_it(
    redis: Redis, gateway: CallStore
) -> None:
    dead, english = await worker(redis, "dead", DE), await worker(redis, "english", EN)
    heir = await worker(redis, "heir", DE, EN)
    await queue(gateway, DE)
    assert await claimed(dead) == [DE]

    assert await english.take_over(P0, lease_ms=0) == []
    (taken,) = await heir.take_over(P0, lease_ms=0)

    assert (taken.job.task, taken.deliveries) == (DE, 2)
    assert await heir.settle(taken, b"event") is Outcome.RECORDED
    assert await redis.xlen(taken.stream) == 0


async def test_what_was_handed_back_waits_for_one_that_can_do_it(
    redis: Redis, gateway: CallStore
) -> None:
    leaving, english = await worker(redis, "leaving", DE), await worker(redis, "english", EN)
    await queue(gateway, DE)
    await leaving.hand_back(await leaving.claim(P0, room=1, wait_ms=10))

    assert await english.take_over(P0, lease_ms=3_600_000) == []
    heir = await worker(redis, "heir", DE)
    assert [one.job.task for one in await heir.take_over(P0, lease_ms=3_600_000)] == [DE]


async def test_jobs_of_an_older_gateway_are_done_or_passed_on(
    redis: Redis, gateway: CallStore
) -> None:
    english, german = await worker(redis, "english", EN), await worker(redis, "german", DE)
    for number, task in enumerate((EN, DE)):
        await redis.xadd(P0.finals, {"j": encode_job(job(number, task)), "x": b"later"})
        await redis.xadd(P0.partials, {"j": encode_job(job(number, task))})

    own = await english.claim(P0, room=8, wait_ms=10)
    (passed,) = await german.claim(P0, room=8, wait_ms=10)

    assert [one.job.task for one in own] == [EN, EN]
    assert (passed.job.task, passed.job_stream) == (DE, "de-de")
    (moved, *_) = await entries_of(redis, passed.stream)
    assert moved[1][b"x"] == b"later"  # moved as it was
    assert await redis.xlen(P0.finals) == 1  # the one in English hands
    assert await redis.xlen(P0.partials) == 1


async def test_a_stream_key_of_the_wrong_type_loses_no_job(
    redis: Redis, gateway: CallStore
) -> None:
    english = await worker(redis, "english", EN)
    await redis.xadd(P0.finals, {"j": encode_job(job(0, DE))})
    await redis.set(P0.finals_in("de-de"), "no stream")

    with pytest.raises(Exception, match="WRONGTYPE"):
        await english.claim(P0, room=8, wait_ms=10)

    assert await redis.xlen(P0.finals) == 1


@pytest.mark.parametrize(
    "task", [("", ""), ("e", "en"), ("en:x", "en"), ("en", "de-en"), ("EN", "en")]
)
def test_an_invalid_language_names_no_stream(task: Task) -> None:
    assert stream_suffix(task) is None


@pytest.mark.parametrize("name", ["", "en", "en-", "-en", "en-de-fr", "finals", "en-e1"])
def test_an_invalid_stream_name_has_no_task(name: str) -> None:
    assert task_of(name) is None


def test_a_field_that_a_newer_gateway_adds_does_no_harm() -> None:
    @dataclass(frozen=True)
    class NewerJob(Job):
        recording: bool = True

    newer = NewerJob("call-1", "log-a", SegmentId(0, 0), 0, 0.0, "en")

    read = decode_job(msgspec.msgpack.encode((VERSION, newer)))

    assert read == Job("call-1", "log-a", SegmentId(0, 0), 0, 0.0, "en")


def names(tasks: Sequence[Task]) -> list[str | None]:
    return [stream_suffix(task) for task in tasks]


def test_a_job_stream_is_named_after_the_languages_spoken_and_written() -> None:
    assert names([EN, DE_EN]) == ["en-en", "de-en"]
    assert [task_of(name) for name in ("en-en", "de-en")] == [EN, DE_EN]
