"""What each step of a segment costs Redis in commands, those inside of scripts included, on a real Valkey."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from broker.connections.shared_pipeline import SharedPipeline
from broker.redis_keys import CallKeys, Partition
from protocol.calls.call import CallConfig, Role
from protocol.events import Final, SegmentId, Span, Timing, Word
from protocol.events.event_codec import encode_event
from protocol.scheduling.jobs import Job, encode_job
from streaming.call.checkpoint import Checkpoint
from streaming.call.ledger import LogEvent, QueueDraft, QueueFinal, StoreAudio, Write
from streaming.call_store import CallStore
from workers.job_queue import ClaimedJob, PartialState, WorkQueue

pytestmark = pytest.mark.shared_valkey

P0 = Partition(0)
CHECKPOINT = Checkpoint((Role.MIXED,), "native", 0.0, CallConfig(), (0,))


def job_of(call: str, segment: SegmentId) -> Job:
    return Job(call, "log-a", segment, start=0, end=8, queued_at=0.0, language="en")


def final(segment: SegmentId) -> bytes:
    words = (Word("word"),)
    return encode_event(Final(segment, Span(0, 8), words, "en", 0, (), "engine", Timing(0, 0)))


class Meter:
    """Counts the commands of steps."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.counts: dict[str, int] = {}

    async def __call__(self, step: str, act: Awaitable[object]) -> None:
        """Take a step.  The commands that only count are left out."""
        await self._redis.config_resetstat()
        await act
        stats = await self._redis.info("commandstats")
        del stats["cmdstat_config|resetstat"]
        self.counts[step] = sum(one["calls"] for one in stats.values())


async def claimed(work: WorkQueue) -> ClaimedJob:
    (one,) = await work.claim(P0, 1, 1_000)
    work.take([one])
    return one


@pytest.fixture
async def work(redis: Redis) -> WorkQueue:
    work = WorkQueue(redis, [P0], "worker-1")
    await work.prepare()
    return work


@pytest.fixture
async def gateway(redis: Redis) -> CallStore:
    gateway = CallStore(redis, CallKeys.of("call-1", 1), "owner-a")
    await gateway.open("log-a", CHECKPOINT)
    return gateway


async def segment_with_draft(
    meter: Meter, gateway: CallStore, work: WorkQueue, number: int
) -> None:
    """The steps of a segment whose draft becomes the final."""
    segment = SegmentId(0, number)
    whole = job_of("call-1", segment)
    job, open_job = encode_job(whole), encode_job(replace(whole, end=None))
    states = (before := b"after" if number else b"", b"after")

    await meter("event", gateway.perform([LogEvent(f"speech:{segment}", b"event")]))
    await meter("audio, partial", gateway.perform([StoreAudio(segment, 0, b"audio!", open_job)]))
    one = await claimed(work)
    after = PartialState(redaction=before)
    await meter("partial done", work.partials.publish(one, after, b"words", b"event"))
    paused: list[Write] = [StoreAudio(segment, 6, b"more"), QueueDraft(segment, job, 10)]
    await meter("audio, draft", gateway.perform(paused))
    await meter("draft done", work.keep_draft(await claimed(work), final(segment), 10, states))
    ended = [QueueFinal(segment, job, 10, drafted=True)]
    await meter("end with draft", gateway.perform(ended))


async def segment_without_draft(
    meter: Meter, gateway: CallStore, work: WorkQueue, number: int
) -> None:
    """The steps of a segment whose final is queued."""
    segment = SegmentId(0, number)
    job = encode_job(job_of("call-1", segment))
    states = (b"after" if number else b"", b"after")
    await gateway.perform([StoreAudio(segment, 0, b"audio!")])

    await meter("end", gateway.perform([QueueFinal(segment, job, 6)]))
    one = await claimed(work)
    await meter("try", work.begin([one]))
    await meter("final done", work.settle(one, final(segment), states=states))


async def test_commands_of_a_segment_whose_draft_becomes_the_final(
    redis: Redis, gateway: CallStore, work: WorkQueue
) -> None:
    meter = Meter(redis)
    for number in range(2):  # the first one loads the scripts and registers the job streams
        await segment_with_draft(meter, gateway, work, number)

    assert meter.counts == {
        "event": 9,
        "audio, partial": 5,
        "partial done": 4,
        "audio, draft": 4,
        "draft done": 6,
        "end with draft": 12,
    }


async def test_commands_of_a_segment_without_a_draft(
    redis: Redis, gateway: CallStore, work: WorkQueue
) -> None:
    meter = Meter(redis)
    for number in range(2):
        await segment_without_draft(meter, gateway, work, number)

    assert meter.counts == {"end": 9, "try": 3, "final done": 14}


async def test_events_and_audio_of_several_calls_share_a_run_of_their_script(redis: Redis) -> None:
    pipeline = SharedPipeline(redis)
    calls = [
        CallStore(redis, CallKeys.of(f"call-{n}", 1), "owner-a", pipeline=pipeline)
        for n in range(3)
    ]
    for one in calls:
        await one.open("log-a", CHECKPOINT)
        await one.perform([LogEvent("first", b"event"), StoreAudio(SegmentId(0, 0), 0, b"audio!")])
    meter = Meter(redis)

    async def perform(more: str) -> None:
        writes: list[Write] = [LogEvent(more, b"event"), StoreAudio(SegmentId(0, 0), 6, b"more")]
        await asyncio.gather(*(one.perform(writes) for one in calls))

    await meter("three calls", perform("second"))

    # Two runs and one INFO, and for each call seven commands for the event and two for the audio.
    assert meter.counts == {"three calls": 3 + 3 * 9}
