"""The queue between gateway and worker, on a real Valkey."""

import pytest
from redis.asyncio import Redis
from support.answers import entries_of
from support.entries import event_of
from support.redis_watch import everything_in

from broker.queries import fleet
from broker.redis_keys import CallKeys, Partition
from protocol.calls.call import CallConfig, Role
from protocol.events import Final, SegmentId, Span, Timing, Word
from protocol.events.event_codec import encode_event
from protocol.scheduling.jobs import Job, encode_job
from streaming.call.checkpoint import Checkpoint
from streaming.call.ledger import GiveUp, LogEvent, QueueFinal, StoreAudio
from streaming.call_store import CallStore, LogLostError, Missing, SupersededError
from workers.engines.base import Effort
from workers.job_queue import ClaimedJob, Outcome, PartialState, WorkQueue

P0 = Partition(0)
CALL = CallKeys(P0, "call-1")
CHECKPOINT = Checkpoint((Role.MIXED,), "native", 0.0, CallConfig(), (0,))


def job(segment: SegmentId) -> bytes:
    return encode_job(Job("call-1", "log-a", segment, start=0, end=8, queued_at=0.0, language="en"))


def final(segment: SegmentId, text: str) -> bytes:
    return encode_event(
        Final(segment, Span(0, 8), (Word(text),), "en", 0, (), "engine", Timing(0, 0))
    )


@pytest.fixture
async def gateway(redis: Redis) -> CallStore:
    """A call whose log has begun."""
    queue = CallStore(redis, CALL, "owner-a")
    await queue.open("log-a", CHECKPOINT)
    return queue


async def worker(redis: Redis, name: str = "worker-1") -> WorkQueue:
    queue = WorkQueue(redis, [P0], name)
    await queue.prepare()
    return queue


async def queue_final(gateway: CallStore, segment: SegmentId) -> None:
    await gateway.perform([StoreAudio(segment, 0, b"audio!"), QueueFinal(segment, job(segment), 6)])


async def claim_one(work: WorkQueue) -> ClaimedJob:
    (claimed,) = await work.claim(P0, room=1, wait_ms=1_000)
    return claimed


async def log_texts(redis: Redis) -> list[tuple[int, str]]:
    entries = await entries_of(redis, CALL.log)
    read = [(int(key.split(b"-")[0]), event_of(fields[b"e"])) for key, fields in entries]
    return [(seq, event.text) for seq, event in read if isinstance(event, Final)]


async def test_a_result_is_recorded_once_and_everything_of_the_job_is_gone(
    redis: Redis, gateway: CallStore
) -> None:
    segment = SegmentId(0, 0)
    work = await worker(redis)
    await queue_final(gateway, segment)

    claimed = await claim_one(work)
    audio = await work.audio([claimed])
    outcomes = [await work.settle(claimed, final(segment, "hello")) for _ in range(2)]

    assert audio == [b"audio!"]
    assert outcomes == [Outcome.RECORDED, Outcome.LOST]
    assert await log_texts(redis) == [(1, "hello")]
    assert await redis.xlen(P0.finals_in("en-en")) == 0
    assert await redis.exists(CALL.audio(segment), CALL.state(segment)) == 0


async def test_results_enter_the_log_in_the_order_of_the_channel(
    redis: Redis, gateway: CallStore
) -> None:
    work = await worker(redis)
    for number in range(3):
        await queue_final(gateway, SegmentId(0, number))
    claimed = await work.claim(P0, room=3, wait_ms=1_000)

    for one in reversed(claimed):
        segment = one.job.segment
        await work.settle(one, final(segment, f"text {segment.number}"))

    assert await log_texts(redis) == [(1, "text 0"), (2, "text 1"), (3, "text 2")]


async def test_a_worker_that_lost_its_lease_changes_nothing(
    redis: Redis, gateway: CallStore
) -> None:
    segment = SegmentId(0, 0)
    zombie, heir = await worker(redis, "zombie"), await worker(redis, "heir")
    await queue_final(gateway, segment)
    late = await claim_one(zombie)

    (taken,) = await heir.take_over(P0, lease_ms=0)
    outcome = await zombie.settle(late, final(segment, "late"))
    await heir.settle(taken, final(segment, "in time"))

    assert taken.deliveries == 2
    assert outcome is Outcome.LOST
    assert await log_texts(redis) == [(1, "in time")]


async def test_a_lease_that_is_extended_is_not_taken_over(redis: Redis, gateway: CallStore) -> None:
    busy, idle = await worker(redis, "busy"), await worker(redis, "idle")
    await queue_final(gateway, SegmentId(0, 0))
    claimed = await claim_one(busy)

    await busy.extend([claimed])

    assert await idle.take_over(P0, lease_ms=60_000) == []


async def test_a_worker_that_comes_back_finds_what_it_had(redis: Redis, gateway: CallStore) -> None:
    work = await worker(redis)
    await queue_final(gateway, SegmentId(0, 0))
    claimed = await claim_one(work)

    again = await work.reclaim_own(P0)

    assert [one.entry for one in again] == [claimed.entry]


async def test_queueing_a_segment_twice_queues_it_once(redis: Redis, gateway: CallStore) -> None:
    for _ in range(2):
        await queue_final(gateway, SegmentId(0, 0))

    assert await redis.xlen(P0.finals_in("en-en")) == 1


async def test_a_segment_without_all_of_its_audio_is_not_queued(
    redis: Redis, gateway: CallStore
) -> None:
    segment = SegmentId(0, 0)

    outcomes = await gateway.perform(
        [StoreAudio(segment, 4, b"tail"), QueueFinal(segment, job(segment), 8)]
    )

    assert outcomes == [Missing(segment, 0), Missing(segment, 0)]
    assert await redis.xlen(P0.finals_in("en-en")) == 0


async def test_a_partial_is_of_the_latest_audio_and_not_of_that_of_its_request(
    redis: Redis, gateway: CallStore
) -> None:
    segment = SegmentId(0, 0)
    work = await worker(redis)
    for offset in range(3):
        request = job(segment) if offset == 0 else b""
        await gateway.perform([StoreAudio(segment, offset, b"x", request)])

    claimed = await work.claim(P0, room=4, wait_ms=1_000)

    assert [one.effort for one in claimed] == [Effort.PARTIAL]
    assert await work.audio(claimed) == [b"xxx"]


async def test_partials_have_rising_revisions_and_end_with_the_segment(
    redis: Redis, gateway: CallStore
) -> None:
    segment = SegmentId(0, 0)
    work = await worker(redis)
    asked = [StoreAudio(segment, 0, b"audio!", job(segment)) for _ in range(3)]
    await gateway.perform(asked)
    first, second, third = await work.claim(P0, room=4, wait_ms=1_000)
    known = work.partials.known

    await work.partials.publish(second, known.of(second.job), b"hypothesis", b"event")
    newest = known.of(first.job)
    await work.partials.publish(first, newest, b"older", b"event")
    after_the_older = known.of(first.job)
    await gateway.perform([QueueFinal(segment, job(segment), 6)])
    await work.settle(await claim_one(work), final(segment, "done"))
    await work.partials.publish(third, newest, b"late", b"event")
    behind_the_final = known.of(third.job)

    assert newest == after_the_older == behind_the_final == PartialState(1, b"hypothesis")
    assert b"hypothesis" not in await everything_in(redis)


async def test_a_worker_learns_what_its_partial_must_follow_from_a_partial_of_another(
    redis: Redis, gateway: CallStore
) -> None:
    segment = SegmentId(0, 0)
    one, other = await worker(redis, "one"), await worker(redis, "other")
    await gateway.perform([StoreAudio(segment, 0, b"audio!", job(segment)) for _ in range(2)])
    first, second = await one.claim(P0, room=2, wait_ms=1_000)
    await one.partials.publish(first, PartialState(), b"hypothesis", b"event")
    await redis.hset(CALL.meta, "redaction", b"by a third")

    newer = await other.partials.publish(second, PartialState(), b"alone", b"event")
    assert newer is not None
    published = await other.partials.publish(second, newer, b"both", b"event")

    assert newer == PartialState(1, b"hypothesis", b"by a third")
    assert published is None
    assert other.partials.known.of(second.job) == PartialState(2, b"both", b"by a third")


async def test_an_event_is_logged_once_however_often_it_is_sent(
    redis: Redis, gateway: CallStore
) -> None:
    event = LogEvent("started", final(SegmentId(0, 0), "once"))

    for _ in range(3):
        await gateway.perform([event])

    assert len(await log_texts(redis)) == 1


async def test_a_redis_that_restarted_empty_is_detected_and_restored(
    redis: Redis, gateway: CallStore
) -> None:
    known = [
        LogEvent("0-0", final(SegmentId(0, 0), "before")),
        LogEvent("0-1", final(SegmentId(0, 1), "the loss")),
    ]
    await redis.flushall()

    with pytest.raises(LogLostError):
        await gateway.perform([LogEvent("more", final(SegmentId(0, 2), "more"))])
    await gateway.restore(known, CHECKPOINT)
    work = await worker(redis)
    await queue_final(gateway, SegmentId(0, 2))
    await work.settle(await claim_one(work), final(SegmentId(0, 2), "after"))

    assert await log_texts(redis) == [(1, "before"), (2, "the loss"), (3, "after")]


async def test_a_gateway_is_notified_when_its_call_is_taken_over(
    redis: Redis, gateway: CallStore
) -> None:
    newer = CallStore(redis, CALL, "owner-b")
    is_new = await newer.open("log-b", CHECKPOINT)

    assert not is_new
    assert newer.log == "log-a"
    with pytest.raises(SupersededError):
        await gateway.heartbeat(CHECKPOINT)
    with pytest.raises(SupersededError):
        await gateway.restore([], CHECKPOINT)
    with pytest.raises(SupersededError):
        await gateway.perform([LogEvent("late", final(SegmentId(0, 0), "late"))])


async def test_what_was_queued_before_a_call_was_taken_over_counts(
    redis: Redis, gateway: CallStore
) -> None:
    work = await worker(redis)
    await queue_final(gateway, SegmentId(0, 0))
    claimed = await claim_one(work)
    await CallStore(redis, CALL, "owner-b").open("log-b", CHECKPOINT)

    outcome = await work.settle(claimed, final(SegmentId(0, 0), "said before"))

    assert outcome is Outcome.RECORDED
    assert await log_texts(redis) == [(1, "said before")]


async def test_a_result_for_an_older_log_is_refused(redis: Redis, gateway: CallStore) -> None:
    work = await worker(redis)
    await queue_final(gateway, SegmentId(0, 0))
    claimed = await claim_one(work)
    await gateway.perform([LogEvent("ended", b"payload")])
    await CallStore(redis, CALL, "owner-b").open("log-b", CHECKPOINT)

    outcome = await work.settle(claimed, final(SegmentId(0, 0), "old"))

    assert outcome is Outcome.STALE
    assert await log_texts(redis) == []


async def test_every_event_goes_to_the_outbox_too(redis: Redis, gateway: CallStore) -> None:
    await gateway.perform([LogEvent("started", b"payload")])

    ((_, fields),) = await entries_of(redis, P0.outbox)

    assert fields == {b"c": b"call-1", b"l": b"log-a", b"s": b"1", b"e": b"payload"}


async def test_a_job_of_another_version_is_left_for_the_worker_that_knows_it(
    redis: Redis, gateway: CallStore
) -> None:
    work = await worker(redis)
    await redis.xadd(P0.finals, {"j": b"\x92\xcc\xc8\xc0"})

    claimed = await work.claim(P0, room=1, wait_ms=1_000)

    assert claimed == []
    assert work.unreadable == 1
    assert await redis.xlen(P0.finals) == 1


async def test_a_recording_waits_in_a_stream_that_claims_and_admission_ignore(
    redis: Redis, gateway: CallStore
) -> None:
    recorded, live = SegmentId(0, 0), SegmentId(0, 1)
    work, other = await worker(redis), await worker(redis, "worker-2")
    await gateway.perform(
        [StoreAudio(recorded, 0, b"audio!"), QueueFinal(recorded, job(recorded), 6, recorded=True)]
    )
    behind = await fleet(redis, P0, 0.0)
    await queue_final(gateway, live)

    first = await claim_one(work)
    (second,) = await work.claim_recorded(P0, lease_ms=60_000)
    await work.extend([first, second])
    await work.hand_back([second])
    (again,) = await other.claim_recorded(P0, lease_ms=60_000)
    outcomes = [
        await queue.settle(one, final(one.job.segment, "yes"))
        for queue, one in ((work, first), (other, again))
    ]

    assert not behind.waiting
    assert (first.job.segment, second.job.segment) == (live, recorded)
    assert again.recorded
    assert outcomes == [Outcome.RECORDED] * 2
    assert await redis.xlen(P0.recordings_in("en-en")) == 0
    assert [text for _, text in await log_texts(redis)] == ["yes", "yes"]


async def test_a_worker_that_comes_back_finds_its_recording_again(
    redis: Redis, gateway: CallStore
) -> None:
    segment = SegmentId(0, 0)
    await gateway.perform(
        [StoreAudio(segment, 0, b"audio!"), QueueFinal(segment, job(segment), 6, recorded=True)]
    )
    claimed = await (await worker(redis)).claim_recorded(P0, lease_ms=60_000)

    assert await (await worker(redis)).reclaim_own(P0) == claimed


async def outbox(redis: Redis) -> list[tuple[bytes, bytes]]:
    return [(fields[b"s"], fields[b"e"]) for _, fields in await entries_of(redis, P0.outbox)]


async def whole_log(redis: Redis) -> list[tuple[bytes, bytes]]:
    return [(key.split(b"-")[0], fields[b"e"]) for key, fields in await entries_of(redis, CALL.log)]


async def test_what_waited_for_its_turn_is_released_when_a_restored_log_has_come_so_far(
    redis: Redis, gateway: CallStore
) -> None:
    """A server that came back without its newest entries may know the second segment's text and not the first's."""
    work = await worker(redis)
    for number in range(2):
        await queue_final(gateway, SegmentId(0, number))
    _, second = await work.claim(P0, room=2, wait_ms=1_000)
    await work.settle(second, final(SegmentId(0, 1), "second"))

    await gateway.restore([LogEvent("0-0", final(SegmentId(0, 0), "first"))], CHECKPOINT)

    assert await log_texts(redis) == [(1, "first"), (2, "second")]


async def test_what_a_restored_log_contains_cannot_happen_again(
    redis: Redis, gateway: CallStore
) -> None:
    segment = SegmentId(0, 0)
    known = [LogEvent("started", b"started"), LogEvent("0-0", final(segment, "known"))]
    await redis.flushall()
    await gateway.restore(known, CHECKPOINT)

    await gateway.perform([known[0], StoreAudio(segment, 0, b"audio!")])
    await gateway.perform([QueueFinal(segment, job(segment), 6)])
    await gateway.perform([GiveUp(segment, final(segment, "again"))])

    assert await redis.xlen(P0.finals) == 0
    assert [event for _, event in await whole_log(redis)] == [one.payload for one in known]


async def test_a_segment_queued_twice_is_recorded_once(redis: Redis, gateway: CallStore) -> None:
    segment = SegmentId(0, 0)
    work = await worker(redis)
    await queue_final(gateway, segment)
    await redis.xadd(P0.finals, {"j": job(segment)})
    claimed = await work.claim(P0, room=2, wait_ms=1_000)

    outcomes = [await work.settle(one, final(segment, "once")) for one in claimed]

    assert outcomes == [Outcome.RECORDED, Outcome.DUPLICATE]
    assert await log_texts(redis) == [(1, "once")]
    assert await redis.xlen(P0.finals) == 0


async def test_a_segment_whose_turn_has_not_come_is_recorded_once_too(
    redis: Redis, gateway: CallStore
) -> None:
    segment = SegmentId(0, 1)
    work = await worker(redis)
    await queue_final(gateway, segment)
    await redis.xadd(P0.finals, {"j": job(segment)})
    claimed = await work.claim(P0, room=2, wait_ms=1_000)
    for one, text in zip(claimed, ("first told", "told again"), strict=True):
        await work.settle(one, final(segment, text))

    await gateway.perform([GiveUp(SegmentId(0, 0), final(SegmentId(0, 0), "before"))])

    assert await log_texts(redis) == [(1, "before"), (2, "first told")]


async def test_what_lies_in_redis_for_a_call_goes_by_itself_in_the_end(
    redis: Redis, gateway: CallStore
) -> None:
    segment = SegmentId(0, 0)
    await gateway.perform([LogEvent("started", b"started")])
    await gateway.perform([StoreAudio(segment, 0, b"audio!", job(segment))])
    await queue_final(gateway, segment)
    open_call = [await redis.ttl(key) for key in (CALL.meta, CALL.log, CALL.settled)]

    await gateway.retire()

    assert open_call == [-1, -1, -1]
    for key in (CALL.meta, CALL.log, CALL.settled, CALL.audio(segment), CALL.state(segment)):
        assert 0 < await redis.ttl(key) <= 900
    assert await redis.zcard(P0.calls) == 0


async def test_a_call_that_begins_anew_under_an_old_id_knows_nothing_of_the_old_one(
    redis: Redis, gateway: CallStore
) -> None:
    await gateway.perform([LogEvent("started", b"old"), LogEvent("ended", b"old end")])
    newer = CallStore(redis, CALL, "owner-b")

    is_new = await newer.open("log-b", CHECKPOINT)
    await newer.perform([LogEvent("started", b"new")])

    assert is_new
    assert await whole_log(redis) == [(b"1", b"new")]


async def test_a_call_is_adopted_only_when_its_gateway_has_been_silent_for_so_long(
    redis: Redis, gateway: CallStore
) -> None:
    heir = CallStore(redis, CALL, "owner-b")

    too_early = await heir.adopt(60)
    await gateway.heartbeat(CHECKPOINT)
    await redis.zincrby(P0.calls, -61, CALL.call_id)
    in_time = await heir.adopt(60)

    assert (too_early, in_time, heir.log) == (False, True, "log-a")
    assert not await CallStore(redis, CALL, "owner-c").adopt(60)
    with pytest.raises(SupersededError):
        await gateway.heartbeat(CHECKPOINT)


async def test_the_outbox_gets_a_copy_of_everything_that_enters_the_log(
    redis: Redis, gateway: CallStore
) -> None:
    work = await worker(redis)
    await gateway.perform([LogEvent("started", b"started")])
    for number in range(3):
        await queue_final(gateway, SegmentId(0, number))
    for one in reversed(await work.claim(P0, room=3, wait_ms=1_000)):
        await work.settle(one, final(one.job.segment, str(one.job.segment)))
    logged = await whole_log(redis)

    copies = await outbox(redis)
    await redis.flushall()
    known = [LogEvent(str(at), event) for at, (_, event) in enumerate(logged)]
    await gateway.restore(known, CHECKPOINT)

    assert len(logged) == 4
    assert copies == logged
    assert await whole_log(redis) == await outbox(redis) == logged


async def calls_of(redis: Redis, command: str) -> int:
    """How often the server has run a command, in scripts too."""
    found = await redis.info("commandstats")
    return int(found.get(f"cmdstat_{command}", {"calls": 0})["calls"])


async def test_a_job_stream_is_registered_once_and_again_after_a_loss(
    redis: Redis, gateway: CallStore
) -> None:
    await queue_final(gateway, SegmentId(0, 0))
    await queue_final(gateway, SegmentId(0, 1))
    once = await calls_of(redis, "sadd")

    await redis.flushall()
    with pytest.raises(LogLostError):
        await queue_final(gateway, SegmentId(0, 2))
    await gateway.restore([], CHECKPOINT)
    await queue_final(gateway, SegmentId(0, 2))

    assert once == 1
    assert await redis.smembers(P0.job_streams) == {b"en-en"}


async def test_a_list_of_job_streams_that_was_deleted_is_written_again(
    redis: Redis, gateway: CallStore
) -> None:
    await queue_final(gateway, SegmentId(0, 0))
    await redis.delete(P0.job_streams)

    gateway.doubt()
    await queue_final(gateway, SegmentId(0, 1))

    assert await redis.smembers(P0.job_streams) == {b"en-en"}


async def test_a_round_of_claims_asks_once_for_the_job_streams(
    redis: Redis, gateway: CallStore
) -> None:
    work = await worker(redis)
    before = await calls_of(redis, "smembers")

    await work.claim(P0, room=1, wait_ms=1)
    await work.take_over(P0, lease_ms=60_000)
    await work.claim_recorded(P0, lease_ms=60_000)

    assert await calls_of(redis, "smembers") == before + 1


async def test_one_segment_of_a_recording_is_taken_over_at_a_time(
    redis: Redis, gateway: CallStore
) -> None:
    """Of two job streams, each with a segment that was handed back and one whose lease has expired."""
    leaving, heir = await worker(redis, "leaving"), await worker(redis, "heir")
    for number, language in enumerate(("en", "en", "de", "de")):
        segment = SegmentId(0, number)
        one = encode_job(Job("call-1", "log-a", segment, 0, 0.0, language, end=8))
        stored, queued = (
            StoreAudio(segment, 0, b"audio!"),
            QueueFinal(segment, one, 6, recorded=True),
        )
        await gateway.perform([stored, queued])
    claimed = [one for _ in range(4) for one in await leaving.claim_recorded(P0, lease_ms=60_000)]
    await leaving.hand_back(claimed[::2])

    numbers = []
    for _ in range(4):
        (taken,) = await heir.claim_recorded(P0, lease_ms=0)
        numbers.append(taken.job.segment.number)
        await heir.settle(taken, final(taken.job.segment, "text"))

    assert sorted(numbers) == [0, 1, 2, 3]
