"""Leases of finals, and how another worker claims them, on a real Valkey."""

import pytest
from redis.asyncio import Redis
from support.job_streams import P0, JobStream, speech

from protocol.scheduling.worker_capacity import WorkerCapacity, encode_capacity
from workers.job_queue import ClaimedJob, WorkQueue

NEVER = 3_600_000
"""A lease, in milliseconds, that does not run out in a test."""


@pytest.fixture
async def job_stream(redis: Redis) -> JobStream:
    job_stream = JobStream(redis)
    await job_stream.begin()
    return job_stream


async def worker(redis: Redis, name: str) -> WorkQueue:
    queue = WorkQueue(redis, [P0], name)
    await queue.prepare()
    return queue


async def claimed_by(work: WorkQueue, job_stream: JobStream, segments: int) -> list[ClaimedJob]:
    for channel in range(segments):
        await job_stream.queue(channel, speech(1))
    return await work.claim(P0, room=segments, wait_ms=1_000)


async def test_what_was_handed_back_is_taken_all_at_once(
    redis: Redis, job_stream: JobStream
) -> None:
    leaving, heir = await worker(redis, "leaving"), await worker(redis, "heir")
    claimed = await claimed_by(leaving, job_stream, 3)

    await leaving.hand_back(claimed)

    taken = await heir.take_over(P0, NEVER, room=3)
    assert [one.entry for one in taken] == [one.entry for one in claimed]
    assert await job_stream.leases() == [("heir", 1)] * 3


async def test_what_was_tried_is_taken_with_its_history(
    redis: Redis, job_stream: JobStream
) -> None:
    leaving, heir = await worker(redis, "leaving"), await worker(redis, "heir")

    await leaving.hand_back(await claimed_by(leaving, job_stream, 1), tried=True)

    assert [one.deliveries for one in await heir.take_over(P0, NEVER)] == [2]


async def test_those_of_a_worker_gone_silent_are_taken_one_at_a_time(
    redis: Redis, job_stream: JobStream
) -> None:
    silent, heir = await worker(redis, "silent"), await worker(redis, "heir")
    await claimed_by(silent, job_stream, 3)

    taken = [await heir.take_over(P0, lease_ms=0, room=8) for _ in range(2)]

    assert [[one.deliveries for one in some] for some in taken] == [[2], [3]]


async def test_handing_back_twice_is_handing_back_once(redis: Redis, job_stream: JobStream) -> None:
    first, second = await worker(redis, "first"), await worker(redis, "second")
    await first.hand_back(await claimed_by(first, job_stream, 1), tried=True)
    again = await second.take_over(P0, NEVER)

    for _ in range(3):
        await second.hand_back(again)

    assert await job_stream.leases() == [("second", 1)]


async def test_a_worker_that_lost_its_lease_cannot_hand_back_the_job_of_another(
    redis: Redis, job_stream: JobStream
) -> None:
    zombie, heir = await worker(redis, "zombie"), await worker(redis, "heir")
    claimed = await claimed_by(zombie, job_stream, 1)
    await heir.take_over(P0, lease_ms=0)

    await zombie.hand_back(claimed)

    assert await job_stream.leases() == [("heir", 2)]
    assert await heir.take_over(P0, NEVER) == []


async def test_words_of_workers_that_are_gone_are_forgotten(redis: Redis) -> None:
    work = await worker(redis, "here")
    await redis.hset(P0.workers, "gone", encode_capacity(WorkerCapacity(50.0, 9.0)))
    await redis.hset(P0.workers, "near", encode_capacity(WorkerCapacity(99.0, 9.0)))

    await work.capacity.publish(WorkerCapacity(100.0, 1.0))

    assert await redis.hkeys(P0.workers) == [b"near", b"here"]
