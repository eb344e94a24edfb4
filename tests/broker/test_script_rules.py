"""
The rules of the scripts in broker/redis_scripts/lua, one by one, on a real Valkey.

`bench/script_mutants.py` breaks the scripts one line at a time; each test here is there because a broken script
passed all others.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError
from support.answers import dump_of, entries_of, pending_of
from support.waiting import PATIENCE

from broker.connections.shared_pipeline import SharedPipeline
from broker.queries import fleet, probe
from broker.redis_keys import WORKERS, CallKeys, Partition
from broker.redis_scripts.leases import PASS_ON
from broker.redis_scripts.scripts import HEARTBEAT
from protocol.calls.call import CallConfig, Role
from protocol.events import Final, MarkReached, SegmentId, Span, Timing, Word
from protocol.events.event_codec import encode_event
from protocol.scheduling.jobs import Job, encode_job
from streaming.call.checkpoint import Checkpoint
from streaming.call.ledger import GiveUp, LogEvent, QueueFinal, StoreAudio
from streaming.call_store import (
    CallStore,
    LogLostError,
    Missing,
    OverloadedError,
    SupersededError,
)
from workers.job_queue import ClaimedJob, Outcome, PartialState, WorkQueue

pytestmark = pytest.mark.shared_valkey

P0 = Partition(0)
CALL = CallKeys(P0, "call-1")
CHECKPOINT = Checkpoint((Role.MIXED,), "native", 0.0, CallConfig(), (0,))
ZERO, ONE = SegmentId(0, 0), SegmentId(0, 1)
FINALS, PARTIALS = P0.finals_in("en-en"), P0.partials_in("en-en")
LONG = 3_600_000
"""Milliseconds that no lease lasts."""


def job(segment: SegmentId = ZERO) -> bytes:
    return encode_job(Job("call-1", "log-a", segment, start=0, end=8, queued_at=0.0, language="en"))


def final(segment: SegmentId = ZERO) -> bytes:
    word = Word(f"text of {segment}")
    return encode_event(Final(segment, Span(0, 8), (word,), "en", 0, (), "engine", Timing(0, 0)))


STARTED = LogEvent("started", encode_event(MarkReached("a mark")))
AUDIO, QUEUED = StoreAudio(ZERO, 0, b"audio!"), QueueFinal(ZERO, job(), 6)
ASKED = StoreAudio(ZERO, 0, b"audio!", job())


def store(redis: Redis, owner: str, **settings: Any) -> CallStore:
    return CallStore(redis, CALL, owner, **settings)


@pytest.fixture
async def gateway(redis: Redis) -> CallStore:
    opened = store(redis, "owner-a")
    await opened.open("log-a", CHECKPOINT)
    return opened


async def worker(redis: Redis, name: str = "worker-1") -> WorkQueue:
    queue = WorkQueue(redis, [P0], name)
    await queue.prepare()
    return queue


async def claimed(work: WorkQueue) -> ClaimedJob:
    (one,) = await work.claim(P0, room=1, wait_ms=1_000)
    return one


async def silence(redis: Redis) -> None:
    """The last heartbeat of the call is an hour old."""
    await redis.zincrby(P0.calls, -3_600, CALL.call_id)


async def is_alive(redis: Redis) -> bool:
    heartbeat_at = await redis.zscore(P0.calls, CALL.call_id)
    return bool(heartbeat_at and (await redis.time())[0] - heartbeat_at < 1_800)


# Ownership

Act = Callable[[CallStore], Awaitable[object]]


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda it: it.perform([STARTED]), id="event"),
        pytest.param(lambda it: it.perform([AUDIO]), id="audio"),
        pytest.param(lambda it: it.perform([ASKED]), id="partial"),
        pytest.param(lambda it: it.perform([QUEUED]), id="final"),
        pytest.param(lambda it: it.perform([GiveUp(ZERO, final())]), id="give up"),
        pytest.param(lambda it: it.heartbeat(CHECKPOINT), id="checkpoint"),
        pytest.param(lambda it: it.restore([STARTED], CHECKPOINT), id="restore"),
        pytest.param(lambda it: it.retire(), id="retire"),
    ],
)
async def test_a_superseded_owner_changes_nothing(
    redis: Redis, gateway: CallStore, act: Act
) -> None:
    newer = store(redis, "owner-b")
    await newer.open("log-b", CHECKPOINT)
    await newer.perform([StoreAudio(ZERO, 0, b"audio!")])
    await redis.sadd(P0.job_streams, "en-en")  # names of streams belong to no call
    before = await dump_of(redis)

    with contextlib.suppress(SupersededError):
        await act(gateway)

    assert await dump_of(redis) == before


@pytest.mark.parametrize(
    ("whose", "is_theirs"),
    [
        (("log-a", "owner-a", None), True),
        (("log-b", "owner-a", None), False),
        (("log-a", "owner-b", None), False),
        (("log-a", "owner-a", "another server"), False),
    ],
)
async def test_the_heartbeat_of_many_calls_counts_only_for_the_calls_of_the_sender(
    redis: Redis, gateway: CallStore, whose: tuple[str, str, str | None], *, is_theirs: bool
) -> None:
    del gateway
    log, owner, server = whose
    if server:
        await redis.hset(CALL.meta, "server", server)
    await silence(redis)
    no_call = CallKeys(P0, "call-2").meta

    owned = await redis.eval(
        HEARTBEAT.source,
        3,
        *(P0.calls, no_call, CALL.meta, "log-a", "owner-a", "call-2", log, owner, CALL.call_id),
    )

    assert (owned, await is_alive(redis)) == (is_theirs, is_theirs)


async def test_an_adopted_call_remembers_the_owner_whose_bridge_may_still_live(
    redis: Redis, gateway: CallStore
) -> None:
    first, second = store(redis, "owner-b"), store(redis, "owner-c")
    for adopter in (first, second):
        await silence(redis)
        assert await adopter.adopt(60)
    stranger = store(redis, "owner-d")
    with pytest.raises(SupersededError):
        await stranger.open("log-d", CHECKPOINT, back=True)

    assert await redis.hget(CALL.meta, "adopted") == b"owner-a"
    assert not await gateway.open("log-e", CHECKPOINT, back=True)
    assert not await gateway.open("log-f", CHECKPOINT, back=True)  # its answer was lost
    assert await redis.hget(CALL.meta, "owner") == b"owner-a"


async def test_a_newer_connection_of_the_bridge_wins_against_the_owner_before_the_adoption(
    redis: Redis, gateway: CallStore
) -> None:
    await silence(redis)
    await store(redis, "owner-b").adopt(60)
    await silence(redis)
    await store(redis, "owner-c").open("log-c", CHECKPOINT)

    with pytest.raises(SupersededError):
        await gateway.open("log-d", CHECKPOINT, back=True)

    assert await redis.hget(CALL.meta, "owner") == b"owner-c"
    assert await is_alive(redis)


async def test_a_call_that_is_not_there_is_not_adopted_again_and_again(
    redis: Redis, gateway: CallStore
) -> None:
    await redis.delete(CALL.meta)
    await silence(redis)

    assert not await store(redis, "owner-b").adopt(60)
    assert await redis.zcard(P0.calls) == 0
    del gateway


async def test_only_new_calls_are_refused_when_the_memory_is_short(
    redis: Redis, gateway: CallStore
) -> None:
    other = CallStore(redis, CallKeys(P0, "call-2"), "owner-b", memory_share=0.5)
    await redis.config_set("maxmemory", "1gb")
    try:
        assert await other.open("log-b", CHECKPOINT)
        await redis.config_set("maxmemory", "1mb")
        with pytest.raises(OverloadedError):
            await CallStore(redis, CallKeys(P0, "call-3"), "owner-c").open("log-c", CHECKPOINT)
        assert not await gateway.open("log-d", CHECKPOINT)
        await gateway.perform([LogEvent("ended", b"the end")])
        assert await gateway.open("log-e", CHECKPOINT, back=True)
    finally:
        await redis.config_set("maxmemory", "0")


async def test_a_checkpoint_replaces_the_one_before_and_is_a_heartbeat(
    redis: Redis, gateway: CallStore
) -> None:
    later = replace(CHECKPOINT, heard=(8_000,))
    await silence(redis)

    await gateway.heartbeat(later)

    assert await gateway.peek() == later
    assert await is_alive(redis)


# Restoring


@pytest.mark.parametrize("spoilt", [P0.outbox, P0.calls])
async def test_a_log_is_not_half_restored(redis: Redis, gateway: CallStore, spoilt: str) -> None:
    await redis.flushall()
    await redis.set(spoilt, "spoilt")
    before = await dump_of(redis)

    with pytest.raises(RedisError):
        await gateway.restore([STARTED], CHECKPOINT)

    assert await dump_of(redis) == before


async def test_a_restored_call_is_alive(redis: Redis, gateway: CallStore) -> None:
    await redis.flushall()

    await gateway.restore([STARTED], CHECKPOINT)

    assert await is_alive(redis)


async def test_a_log_goes_into_a_lost_outbox_again_in_its_order(
    redis: Redis, gateway: CallStore
) -> None:
    await gateway.resend([STARTED, LogEvent("0-0", b"the first"), LogEvent("ended", b"the end")])

    entries = [fields for _, fields in await entries_of(redis, P0.outbox)]
    assert [(one[b"s"], one[b"e"]) for one in entries] == [
        (b"1", STARTED.payload),
        (b"2", b"the first"),
        (b"3", b"the end"),
    ]
    assert {(one[b"c"], one[b"l"]) for one in entries} == {(b"call-1", b"log-a")}


async def test_a_probe_counts_the_entries_of_the_outbox_and_creates_nothing(redis: Redis) -> None:
    empty = await probe(redis, P0)
    is_there = await redis.exists(P0.outbox)
    ids: list[Any] = [await redis.xadd(P0.outbox, {"e": "event"}) for _ in range(2)]
    await redis.xdel(P0.outbox, ids[0])
    found = await probe(redis, P0)

    assert (empty.oldest, empty.added, found.added) == (None, 0, 2)
    assert not is_there
    last = tuple(map(int, ids[1].split(b"-")))
    assert (found.oldest, found.newest) == (last, last)


# Audio, partials, jobs


async def expire_soon(redis: Redis) -> None:
    for key in (CALL.audio(ZERO), CALL.state(ZERO)):
        await redis.expire(key, 60)


async def lives(redis: Redis) -> list[int]:
    """Seconds after which audio and state of the segment expire; -1: never, -2: there is none."""
    return [await redis.ttl(key) for key in (CALL.audio(ZERO), CALL.state(ZERO))]


async def test_every_step_of_a_segment_lets_its_keys_expire(
    redis: Redis, gateway: CallStore
) -> None:
    work = await worker(redis)
    await gateway.perform([AUDIO])
    fed = await lives(redis)
    await gateway.perform([QUEUED])
    queued = await lives(redis)
    await work.begin([one := await claimed(work)])
    begun = await lives(redis)
    await redis.delete(CALL.state(ZERO))
    await work.begin([one])
    begun_without_state = await lives(redis)

    assert fed.pop() == -2
    assert all(0 < left <= 900 for left in (*fed, *queued, *begun, *begun_without_state))


@pytest.mark.parametrize("lost", [False, True], ids=["waiting", "job lost"])
async def test_a_segment_that_waits_for_long_is_renewed_whenever_it_is_queued_again(
    redis: Redis, gateway: CallStore, *, lost: bool
) -> None:
    await gateway.perform([AUDIO, QUEUED])
    await expire_soon(redis)
    if lost:
        await redis.delete(FINALS)

    await gateway.perform([QUEUED])

    assert min(await lives(redis)) > 60
    assert await redis.xlen(FINALS) == 1


async def test_a_partial_that_was_taken_leaves_its_job_stream_with_the_next_look(
    redis: Redis, gateway: CallStore
) -> None:
    work = await worker(redis)
    await gateway.perform([ASKED])
    work.take([await claimed(work)])
    before = await redis.xlen(PARTIALS)

    await work.claim(P0, room=1, wait_ms=1)

    assert (before, await redis.xlen(PARTIALS)) == (1, 0)
    assert (await redis.xpending(PARTIALS, WORKERS))["pending"] == 0


async def test_a_taken_partial_is_removed_later_if_redis_does_not_answer(
    redis: Redis, gateway: CallStore
) -> None:
    work = await worker(redis)
    await gateway.perform([ASKED])
    work.take([await claimed(work)])
    await redis.acl_setuser("default", enabled=True, nopass=True, commands=["+@all", "-xdel"])
    with pytest.raises(RedisError):
        await work.claim(P0, room=1, wait_ms=1)
    await redis.acl_setuser("default", enabled=True, nopass=True, commands=["+@all"])

    await work.claim(P0, room=1, wait_ms=1)

    assert await redis.xlen(PARTIALS) == 0


async def test_audio_of_several_calls_in_one_turn_is_refused_only_where_it_must_be(
    redis: Redis, gateway: CallStore
) -> None:
    pipeline, keys = SharedPipeline(redis), [CallKeys(P0, f"call-{n}") for n in range(3)]
    calls = [CallStore(redis, one, "owner-a", pipeline=pipeline) for one in keys]
    for number, one in enumerate(calls):
        await one.open(f"log-{number}", CHECKPOINT)
    await CallStore(redis, keys[1], "owner-b").open("log-b", CHECKPOINT)
    await calls[0].perform([StoreAudio(ZERO, 0, b"")])  # the server knows the scripts then
    await calls[0].heartbeat(CHECKPOINT)
    await redis.config_resetstat()

    answers = await asyncio.gather(
        *(one.perform([StoreAudio(ZERO, 0, b"audio!")]) for one in calls),
        *(one.heartbeat(replace(CHECKPOINT, heard=(8,))) for one in calls),
        return_exceptions=True,
    )

    refused = [isinstance(one, SupersededError) for one in answers]
    assert refused == [False, True, False, False, True, False]
    assert [await redis.get(one.audio(ZERO)) for one in keys] == [b"audio!", None, b"audio!"]
    assert (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] == 2
    del gateway


@pytest.mark.parametrize(
    ("stored", "offset", "more", "there", "answer"),
    [
        (b"", 0, b"audio", b"audio", None),
        (b"aud", 3, b"io", b"audio", None),
        (b"audio", 3, b"io", b"audio", None),  # its answer was lost
        (b"audio", 0, b"aud", b"audio", None),
        (b"aud", 1, b"udio", b"audio", None),
        (b"aud", 5, b"more", b"aud", Missing(ZERO, 3)),
        (b"", 5, b"more", None, Missing(ZERO, 0)),
        (b"aud", 3, b"", b"aud", None),
        (b"", 0, b"", None, None),
    ],
)
async def test_audio_is_appended_once_and_without_a_hole(
    redis: Redis,
    gateway: CallStore,
    stored: bytes,
    offset: int,
    more: bytes,
    there: bytes | None,
    answer: Missing | None,
) -> None:
    if stored:
        await redis.set(CALL.audio(ZERO), stored, ex=60)

    answers = await gateway.perform([StoreAudio(ZERO, offset, more, job())])

    assert answers == [answer]
    assert await redis.get(CALL.audio(ZERO)) == there
    assert there is None or await redis.ttl(CALL.audio(ZERO)) > 0
    assert await redis.xlen(PARTIALS) == (answer is None)


async def test_partials_are_for_the_log_that_is_read_and_rise(
    redis: Redis, gateway: CallStore
) -> None:
    work = await worker(redis)
    await gateway.perform([ASKED, ASKED, ASKED, StoreAudio(ONE, 0, b"audio!", job(ONE))])
    first, second, third, of_the_next = await work.claim(P0, room=4, wait_ms=1_000)
    publish = work.partials.publish
    async with redis.pubsub() as told:
        await told.subscribe(CALL.live)
        await told.get_message(timeout=PATIENCE)  # subscribed
        answers = [
            await publish(first, PartialState(), b"one", b"event 1"),
            await publish(first, PartialState(1), b"again", b"never"),
            await publish(third, PartialState(), b"two", b"never"),
            await publish(third, PartialState(1), b"two", b"event 2"),
            await publish(second, PartialState(2), b"older", b"never"),
            await publish(of_the_next, PartialState(2), b"next", b"never"),
            await publish(of_the_next, PartialState(), b"next", b"event 3"),
            await publish(third, PartialState(2), b"of the segment before", b"never"),
        ]
        await gateway.perform([STARTED])
        said = [await told.get_message(timeout=PATIENCE) for _ in range(4)]

    assert answers == [None, None, PartialState(1, b"one"), *[None] * 2, PartialState(), None, None]
    assert [one and one["data"] for one in said] == [
        b"- event 1",
        b"- event 2",
        b"- event 3",
        b"1 " + STARTED.payload,
    ]


async def test_a_partial_is_not_for_another_log_nor_for_a_settled_segment(
    redis: Redis, gateway: CallStore
) -> None:
    work = await worker(redis)
    await gateway.perform([ASKED])
    partial = await claimed(work)
    await redis.hset(CALL.meta, "log", "log-b")
    answers = [await work.partials.publish(partial, PartialState(), b"words", b"event")]
    await redis.hset(CALL.meta, "log", "log-a")
    await gateway.perform([GiveUp(ZERO, final())])
    answers.append(await work.partials.publish(partial, PartialState(), b"words", b"event"))

    assert answers == [None, None]
    assert not await redis.hexists(CALL.meta, "words:0")


async def test_the_words_of_a_partial_are_kept_no_longer_than_its_segment(
    redis: Redis, gateway: CallStore
) -> None:
    """Also of a segment that is settled before an earlier one of its channel, and told late."""
    work = await worker(redis)
    await gateway.perform([StoreAudio(ONE, 0, b"audio!", job(ONE)) for _ in range(2)])
    first, second = await work.claim(P0, room=2, wait_ms=1_000)
    await work.partials.publish(first, PartialState(), b"words", b"event")
    await gateway.perform([GiveUp(ONE, final(ONE))])
    kept = [await redis.hget(CALL.meta, "words:0")]
    await work.partials.publish(second, PartialState(1), b"words", b"event")
    await gateway.perform([GiveUp(ZERO, final())])
    kept.append(await redis.hget(CALL.meta, "words:0"))

    assert kept == [b"", b""]


async def test_a_settled_segment_is_not_queued_again(redis: Redis, gateway: CallStore) -> None:
    await gateway.perform([AUDIO, GiveUp(ZERO, final())])

    await gateway.perform([AUDIO, QUEUED])

    assert await redis.xlen(FINALS) == 0


async def test_what_was_written_down_waits_nowhere_else(redis: Redis, gateway: CallStore) -> None:
    await gateway.perform([GiveUp(ONE, final(ONE))])
    waiting = await redis.hgetall(CALL.settled)
    await gateway.perform([GiveUp(ZERO, final())])

    assert waiting == {b"0-1": final(ONE)}
    assert await redis.hgetall(CALL.settled) == {b"0-0": b"", b"0-1": b""}


@pytest.mark.parametrize(("reason", "dead"), [("", []), ("a reason", [(b"0-0", b"a reason")])])
async def test_a_job_that_was_given_up_is_kept_for_the_operator(
    redis: Redis, gateway: CallStore, reason: str, dead: list[tuple[bytes, bytes]]
) -> None:
    work = await worker(redis)
    await gateway.perform([AUDIO, QUEUED])

    assert await work.settle(await claimed(work), final(), reason) is Outcome.RECORDED

    kept = [(fields[b"s"], fields[b"r"]) for _, fields in await entries_of(redis, P0.dead)]
    assert kept == dead


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda it, work, one: work.begin([one]), id="try"),
        pytest.param(lambda it, work, one: it.perform([QUEUED]), id="submit"),
    ],
)
async def test_a_spoilt_state_of_a_segment_is_only_a_copy_and_is_replaced(
    redis: Redis,
    gateway: CallStore,
    act: Callable[[CallStore, WorkQueue, ClaimedJob], Awaitable[object]],
) -> None:
    work = await worker(redis)
    await gateway.perform([AUDIO, QUEUED])
    one = await claimed(work)
    await redis.delete(CALL.state(ZERO))
    await redis.set(CALL.state(ZERO), "spoilt")

    await act(gateway, work, one)

    assert await redis.type(CALL.state(ZERO)) == b"hash"


@pytest.mark.parametrize(
    ("before", "outcome", "after"),
    [(b"", Outcome.RECORDED, b"new"), (b"of another time", Outcome.MOVED, None)],
)
async def test_a_final_is_for_the_state_of_redaction_that_it_was_made_with(
    redis: Redis, gateway: CallStore, before: bytes, outcome: Outcome, after: bytes | None
) -> None:
    work = await worker(redis)
    await gateway.perform([AUDIO, QUEUED])

    found = await work.settle(await claimed(work), final(), states=(before, b"new"))

    assert (found, await redis.hget(CALL.meta, "redaction")) == (outcome, after)


# Leases


async def leases(redis: Redis) -> list[tuple[bytes, bool]]:
    """Consumer of each pending final, and whether its lease is fresh."""
    pending = await pending_of(redis, FINALS, WORKERS)
    return [(one["consumer"], one["time_since_delivered"] < LONG // 2) for one in pending]


async def test_only_the_holder_of_a_lease_extends_it(redis: Redis, gateway: CallStore) -> None:
    work, other = await worker(redis), await worker(redis, "worker-2")
    await gateway.perform([AUDIO, QUEUED])
    one = await claimed(work)
    await redis.xclaim(FINALS, WORKERS, "worker-1", 0, [one.entry], idle=LONG, justid=True)

    await other.extend([one])
    by_the_other = await leases(redis)
    await work.extend([one])

    assert by_the_other == [(b"worker-1", False)]
    assert await leases(redis) == [(b"worker-1", True)]


async def test_a_job_that_is_settled_has_no_lease_to_extend_or_to_hand_back(
    redis: Redis, gateway: CallStore
) -> None:
    work = await worker(redis)
    await gateway.perform([AUDIO, QUEUED])
    one = await claimed(work)
    await work.settle(one, final())

    await work.extend([one])
    await work.hand_back([one])

    assert await leases(redis) == []


@pytest.mark.parametrize(
    ("consumer", "is_deleted", "passed"),
    [("worker-1", False, 1), ("worker-2", False, 0), ("worker-1", True, 0)],
)
async def test_only_the_holder_of_a_job_passes_it_on(
    redis: Redis, gateway: CallStore, consumer: str, passed: int, *, is_deleted: bool
) -> None:
    await gateway.perform([AUDIO, QUEUED])
    one = await claimed(await worker(redis))
    if is_deleted:
        await redis.xdel(FINALS, one.entry)
    left = await redis.xlen(FINALS)

    answer = await redis.eval(
        PASS_ON.source, 2, FINALS, P0.finals_in("de-de"), WORKERS, consumer, one.entry
    )

    moved = [fields for _, fields in await entries_of(redis, P0.finals_in("de-de"))]
    assert (answer, moved) == (passed, [{b"j": job()}] * passed)
    assert await redis.xlen(FINALS) == left - passed
    assert len(await leases(redis)) == 1 - passed


async def test_a_lost_log_is_told_to_a_gateway_with_another_one(
    redis: Redis, gateway: CallStore
) -> None:
    await redis.hset(CALL.meta, "log", "log-b")

    with pytest.raises(LogLostError):
        await gateway.perform([STARTED])


async def test_the_streams_of_jobs_are_announced_before_their_jobs(
    redis: Redis, gateway: CallStore
) -> None:
    await gateway.perform([AUDIO, QUEUED])

    found = await fleet(redis, P0, 0.0)

    assert {task: one.segments for task, one in found.waiting.items()} == {("en", "en"): 1}
