"""The worker between a real Valkey and LengthTeller engines."""

import asyncio
import threading
from collections.abc import Sequence
from functools import partial

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError
from support.answers import worker_report
from support.engines import ContinuousTeller, LengthTeller, StepwiseTeller
from support.job_streams import P0, JobStream, speech, working
from support.waiting import until, until_true

from protocol.events import Final, SegmentFailed
from protocol.scheduling.worker_capacity import decode_capacity
from workers.engines.base import Capabilities, Effort, EngineBrokenError, Hypothesis, Utterance
from workers.job_io import JobIO
from workers.job_queue import WorkQueue
from workers.settings import WorkerSettings

NEVER = 3_600_000
"""A lease, in milliseconds, that does not run out in a test."""

TWO_THREADS = WorkerSettings(threads=2)


@pytest.fixture
async def job_stream(redis: Redis) -> JobStream:
    job_stream = JobStream(redis)
    await job_stream.begin()
    return job_stream


async def text_of_next(job_stream: JobStream) -> str:
    final = await job_stream.next_terminal()
    assert isinstance(final, Final)
    return final.text


async def are_leased(job_stream: JobStream, count: int) -> bool:
    return len(await job_stream.leases()) >= count


async def until_begun(engine: ContinuousTeller) -> None:
    await asyncio.to_thread(engine.began.wait)


class TestOneByOne:
    """An engine that transcribes one segment at a time."""

    async def test_a_final_overtakes_a_partial_in_work(
        self, redis: Redis, job_stream: JobStream
    ) -> None:
        def is_overtaken(engine: StepwiseTeller, one: Utterance) -> bool:
            return one.effort is Effort.FINAL or 7 in engine.worked

        engine = StepwiseTeller(gets_on=is_overtaken)
        async with job_stream.partials() as published, working(redis, engine):
            await job_stream.ask(1, speech(5))
            await asyncio.to_thread(engine.began.wait)

            await job_stream.queue(0, speech(7))

            assert await text_of_next(job_stream) == "7 tenths"
            assert [word.text for word in (await anext(published)).words] == ["5", "tenths"]
        assert engine.worked == [5, *[7] * 7, *[5] * 4]

    async def test_finals_are_settled_one_after_the_other(
        self, redis: Redis, job_stream: JobStream
    ) -> None:
        engine = StepwiseTeller()
        async with working(redis, engine):
            for number in range(5):
                await job_stream.queue(number, speech(2 + number))

            texts = [await text_of_next(job_stream) for _ in range(5)]

        assert sorted(texts) == [f"{2 + number} tenths" for number in range(5)]


class TestThreads:
    """An engine that transcribes one segment at a time in each of two threads."""

    async def test_two_finals_are_transcribed_at_the_same_time(
        self, redis: Redis, job_stream: JobStream
    ) -> None:
        both = threading.Barrier(2, timeout=60)

        def with_the_other(engine: StepwiseTeller, one: Utterance) -> bool:
            both.wait()  # raises if no other thread comes
            return True

        async with working(redis, StepwiseTeller(gets_on=with_the_other), TWO_THREADS):
            await job_stream.queue(0, speech(3))
            await job_stream.queue(1, speech(3))

            texts = [await text_of_next(job_stream) for _ in range(2)]

        assert texts == ["3 tenths", "3 tenths"]

    async def test_a_worker_that_stops_finishes_what_both_threads_have_begun(
        self, redis: Redis, job_stream: JobStream
    ) -> None:
        is_told = threading.Event()
        engine = StepwiseTeller(gets_on=lambda *_: is_told.is_set())
        for channel in range(6):
            await job_stream.queue(channel, speech(1 + channel))

        async with working(redis, engine, TWO_THREADS) as task:
            await until_true(lambda: len(engine.worked) == 2)
            task.cancel()
            is_told.set()
            await asyncio.wait({task})
        async with working(redis, StepwiseTeller(), name="worker-2"):
            texts = [await text_of_next(job_stream) for _ in range(6)]

        assert {1, 2} <= set(engine.worked)
        assert all(engine.worked.count(tenths) == tenths for tenths in set(engine.worked))
        assert sorted(texts) == [f"{1 + channel} tenths" for channel in range(6)]


class TestJoining:
    """An engine that lets others join is not waited for."""

    async def test_a_short_segment_is_settled_before_a_long_one_that_was_begun_earlier(
        self, redis: Redis, job_stream: JobStream
    ) -> None:
        def is_joined(engine: ContinuousTeller) -> bool:
            return len(engine.admitted) > 1

        engine = ContinuousTeller(gets_on=is_joined)
        async with working(redis, engine):
            await job_stream.queue(0, speech(40))
            await until_begun(engine)

            await job_stream.queue(1, speech(5))

            assert [await text_of_next(job_stream) for _ in range(2)] == ["5 tenths", "40 tenths"]
        assert engine.company == [0, 1]

    async def test_a_partial_is_published_while_a_final_is_being_written(
        self, redis: Redis, job_stream: JobStream
    ) -> None:
        def is_joined(engine: ContinuousTeller) -> bool:
            return len(engine.admitted) > 1

        engine = ContinuousTeller(gets_on=is_joined)
        async with job_stream.partials() as published, working(redis, engine):
            await job_stream.queue(0, speech(1_000))
            await until_begun(engine)

            await job_stream.ask(1, speech(5))

            assert [word.text for word in (await anext(published)).words] == ["5", "tenths"]
            assert await job_stream.leases() == [("worker-1", 1)]  # the final is not settled

    async def test_a_faulty_utterance_fails_alone_and_the_rest_of_its_batch_is_transcribed(
        self, redis: Redis, job_stream: JobStream
    ) -> None:
        def short(one: Utterance) -> bool:
            return len(one.samples) < 8_000

        for channel, tenths in enumerate([20, 3, 30]):
            await job_stream.queue(channel, speech(tenths))

        async with working(redis, ContinuousTeller(fault=short)):
            terminal = [await job_stream.next_terminal() for _ in range(3)]

        failed = [one for one in terminal if isinstance(one, SegmentFailed)]
        assert [(one.segment.channel, one.reason) for one in failed] == [(1, "told to fail")]
        assert sorted(one.text for one in terminal if isinstance(one, Final)) == [
            "20 tenths", "30 tenths",
        ]  # fmt: skip

    async def test_a_segment_that_was_tried_before_is_written_alone(
        self, redis: Redis, job_stream: JobStream
    ) -> None:
        await job_stream.queue(0, speech(8))
        dead = WorkQueue(redis, [P0], "dead")
        await dead.prepare()
        await dead.hand_back(await dead.claim(P0, 1, 1_000), tried=True)
        for channel in (1, 2):
            await job_stream.queue(channel, speech(10))

        engine = ContinuousTeller()
        async with working(redis, engine):
            for _ in range(3):
                await job_stream.next_terminal()

        (place,) = (number for number, who in enumerate(engine.admitted) if 8 * 1_600 in who)
        assert engine.admitted[place] == [8 * 1_600]
        assert engine.company[place] == 0


class TestStopping:
    """A worker that is stopped leaves no job for which other workers must wait."""

    async def test_what_the_engine_has_is_finished_and_what_it_has_not_goes_to_the_others(
        self, redis: Redis, job_stream: JobStream
    ) -> None:
        asked_to_stop = asyncio.Event()

        def is_to_stop(_: ContinuousTeller) -> bool:
            return asked_to_stop.is_set()

        engine = ContinuousTeller(max_batch=1, gets_on=is_to_stop)
        async with working(redis, engine, WorkerSettings(lease_ms=NEVER)) as stopping:
            await job_stream.queue(0, speech(5))
            await until_begun(engine)
            await job_stream.queue(1, speech(7))
            await until(partial(are_leased, job_stream, 2))
            stopping.cancel()
            async with working(redis, LengthTeller(), WorkerSettings(lease_ms=NEVER), "heir"):
                first = await text_of_next(job_stream)
                asked_to_stop.set()
                second = await text_of_next(job_stream)

        assert (first, second) == ("7 tenths", "5 tenths")
        assert await job_stream.leases() == []

    async def test_what_takes_longer_than_the_worker_may_drain_is_handed_back_uncounted(
        self, redis: Redis, job_stream: JobStream
    ) -> None:
        engine = ContinuousTeller(gets_on=lambda _: False)
        settings = WorkerSettings(lease_ms=NEVER, drain_seconds=0)
        async with working(redis, engine, settings):
            await job_stream.queue(0, speech(5))
            await until_begun(engine)
        handed_back = await job_stream.leases()

        heir = WorkQueue(redis, [P0], "heir")
        taken = await heir.take_over(P0, NEVER, room=4)

        assert handed_back == [("worker-1", 0)]
        assert [one.deliveries for one in taken] == [1]
        assert await job_stream.leases() == [("heir", 1)]

    async def test_a_partial_in_progress_is_dropped_and_another_may_be_requested(
        self, redis: Redis, job_stream: JobStream
    ) -> None:
        full = ContinuousTeller(max_batch=1, gets_on=lambda _: False)
        async with working(redis, full, WorkerSettings(drain_seconds=0)):
            await job_stream.ask(0, speech(5))
            await until_begun(full)
        assert await redis.xlen(P0.partials_in("en-en")) == 0

        await job_stream.ask(0, speech(6))

        assert await redis.xlen(P0.partials_in("en-en")) == 1

    async def test_it_no_longer_publishes_its_capacity(
        self, redis: Redis, job_stream: JobStream
    ) -> None:
        async with working(redis, LengthTeller()):
            await until(lambda: redis.hexists(P0.workers, "worker-1"))

        assert not await redis.hexists(P0.workers, "worker-1")


class Breaks:
    """An engine whose process has to go, once it has been given something."""

    capabilities = Capabilities("breaks", frozenset({"en"}))

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        raise EngineBrokenError("told to break")


class Hangs:
    """An engine that never comes back, until it is let go."""

    capabilities = Capabilities("hangs", frozenset({"en"}))

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        self.let_go.wait()
        return [Hypothesis() for _ in batch]


class TestBreaking:
    """A job that may have killed an engine is not tried without limit."""

    async def test_what_a_broken_engine_had_is_free_at_once_and_its_delivery_counts(
        self, redis: Redis, job_stream: JobStream
    ) -> None:
        await job_stream.queue(0, speech(5))

        async with working(redis, Breaks(), WorkerSettings(lease_ms=NEVER)) as broken:
            await asyncio.wait({broken})

        assert broken.exception() is not None
        heir = WorkQueue(redis, [P0], "heir")
        assert [one.deliveries for one in await heir.take_over(P0, NEVER)] == [2]

    async def test_an_engine_that_hangs_ends_its_worker(
        self, redis: Redis, job_stream: JobStream
    ) -> None:
        engine = Hangs()
        settings = WorkerSettings(lease_ms=500, step_limit_seconds=0.2, drain_seconds=0)
        await job_stream.queue(0, speech(5))

        async with working(redis, engine, settings) as worker:
            await asyncio.wait({worker})
        engine.let_go.set()

        with pytest.raises(ExceptionGroup) as raised:
            worker.result()
        assert raised.group_contains(EngineBrokenError, match="longer than step_limit_seconds")

    async def test_a_segment_that_dead_workers_claimed_but_did_not_start_is_not_given_up(
        self, redis: Redis, job_stream: JobStream
    ) -> None:
        await job_stream.queue(0, speech(5))
        for number in range(5):  # each claims it and dies before it has tried
            dead = WorkQueue(redis, [P0], f"dead-{number}")
            await dead.prepare()
            taken = await dead.take_over(P0, 0) if number else await dead.claim(P0, 1, 1_000)
            await dead.hand_back(taken, tried=True)

        async with working(redis, LengthTeller()):
            assert await text_of_next(job_stream) == "5 tenths"

    async def test_a_segment_whose_audio_could_not_be_read_has_not_been_tried(
        self, redis: Redis, job_stream: JobStream
    ) -> None:
        await job_stream.queue(0, speech(5))
        queue = WorkQueue(redis, [P0], "worker-0")
        await queue.prepare()
        taken = await queue.claim(P0, 1, 1_000)
        await redis.acl_setuser(
            "default", enabled=True, nopass=True, commands=["+@all", "-getrange"]
        )
        for _ in range(5):
            with pytest.raises(NoPermissionError):
                await JobIO(queue, "length-teller", max_deliveries=3).fetch(taken)
        await redis.acl_setuser("default", enabled=True, nopass=True, commands=["+@all"])
        await queue.hand_back(taken, tried=True)

        async with working(redis, LengthTeller()):
            assert await text_of_next(job_stream) == "5 tenths"

    async def test_a_segment_that_broke_three_workers_is_given_up_in_public(
        self, redis: Redis, job_stream: JobStream
    ) -> None:
        await job_stream.queue(0, speech(5))
        for number in range(3):
            async with working(redis, Breaks(), name=f"worker-{number}") as broken:
                await asyncio.wait({broken})

        async with working(redis, LengthTeller(), name="last"):
            terminal = await job_stream.next_terminal()

        assert isinstance(terminal, SegmentFailed)
        assert "too often" in terminal.reason


async def test_the_pause_after_a_segment_is_not_transcribed(
    redis: Redis, job_stream: JobStream
) -> None:
    """It was stored while the segment was open, for a partial, and turned out not to belong to it."""
    await job_stream.ask(0, speech(7))
    await job_stream.queue(0, speech(5))

    async with working(redis, LengthTeller()):
        assert await text_of_next(job_stream) == "5 tenths"


async def test_it_publishes_its_throughput(redis: Redis, job_stream: JobStream) -> None:
    async with working(redis, LengthTeller()):
        told = await worker_report(redis, P0.workers, "worker-1")
        lives = await redis.ttl(P0.workers)

    assert decode_capacity(told).capacity is None  # nothing was measured yet
    assert 0 < lives <= 10


async def test_what_was_finished_is_what_it_says_it_gets_done(
    redis: Redis, job_stream: JobStream
) -> None:
    async with working(redis, LengthTeller()):
        await job_stream.queue(0, speech(50))
        await job_stream.next_terminal()
        capacity = None
        while capacity is None:
            told = await worker_report(redis, P0.workers, "worker-1")
            capacity = decode_capacity(told).capacity

    assert capacity > 0
