"""
Keys of a wrong type: no script does half of its work, and calls continue when the keys are repaired.

Each key of each script in turn gets another type, on a real Valkey.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError
from support.answers import dump_of, entries_of
from support.entries import event_of

from broker.queries import fleet, orphaned, probe
from broker.redis_keys import CallKeys, Partition
from broker.redis_scripts.leases import EXTEND, HAND_BACK, JOIN, TAKE_OVER
from broker.redis_scripts.lua import Script
from broker.redis_scripts.scripts import (
    ADOPT,
    APPEND,
    APPEND_AUDIO,
    KEEP_DRAFT,
    OPEN,
    PROBE,
    RESEND,
    RESTORE,
    RETIRE,
    SETTLE,
    SUBMIT,
    SUGGEST,
    TAKE_BACK_TRY,
    TRY,
    WRITE_CHECKPOINT,
)
from protocol.calls.call import CallConfig, Role
from protocol.events import Final, MarkReached, SegmentId, Span, Timing, Word
from protocol.events.event_codec import encode_event
from protocol.scheduling.jobs import Job, encode_job
from streaming.call.checkpoint import Checkpoint
from streaming.call.ledger import GiveUp, LogEvent, QueueDraft, QueueFinal, StoreAudio, Write
from streaming.call_store import CallStore, LogLostError, Missing, SupersededError
from workers.engines.base import Effort
from workers.job_queue import ClaimedJob, PartialState, WorkQueue

pytestmark = pytest.mark.shared_valkey

P0 = Partition(0)
CALL = CallKeys(P0, "call-1")
CHECKPOINT = Checkpoint((Role.MIXED,), "native", 0.0, CallConfig(), (0,))
SEGMENTS = [SegmentId(0, number) for number in range(3)]
NOW = SEGMENTS[1]
STARTED = LogEvent("started", encode_event(MarkReached("a mark")))


def job(segment: SegmentId) -> bytes:
    return encode_job(Job("call-1", "log-a", segment, start=0, end=8, queued_at=0.0, language="en"))


def final(segment: SegmentId) -> bytes:
    word = Word(f"text of {segment}")
    return encode_event(Final(segment, Span(0, 8), (word,), "en", 0, (), "engine", Timing(0, 0)))


def queued(segment: SegmentId) -> list[Write]:
    return [StoreAudio(segment, 0, b"audio!"), QueueFinal(segment, job(segment), 6)]


@dataclass
class Scene:
    """
    Segment 0 is settled, segment 2 too but waits for its turn in the log, segment 1 is in a worker's hands.

    A draft of segment 1 is done.
    """

    redis: Redis
    gateway: CallStore
    other: CallStore
    work: WorkQueue
    claimed: ClaimedJob
    partial: ClaimedJob
    draft: ClaimedJob

    @classmethod
    async def set(cls, redis: Redis) -> "Scene":
        gateway = CallStore(redis, CALL, "owner-a")
        await gateway.open("log-a", CHECKPOINT)
        work = WorkQueue(redis, [P0], "worker-1")
        await work.prepare()
        await gateway.perform([STARTED, *(one for segment in SEGMENTS for one in queued(segment))])
        zero, one, two = await work.claim(P0, 3, 1_000)
        await work.settle(zero, final(SEGMENTS[0]))
        await work.settle(two, final(SEGMENTS[2]))
        await gateway.perform([StoreAudio(NOW, 6, b"", job(NOW))])
        (partial,) = await work.claim(P0, 1, 1_000)
        await gateway.perform([QueueDraft(NOW, job(NOW), 6)])
        (draft,) = await work.claim(P0, 1, 1_000)
        work.take([draft])
        await work.keep_draft(draft, final(NOW), 10, (b"", b"after"))
        return cls(redis, gateway, CallStore(redis, CALL, "owner-b"), work, one, partial, draft)

    @property
    def known(self) -> list[LogEvent]:
        return [STARTED, LogEvent(str(SEGMENTS[0]), final(SEGMENTS[0]))]

    async def everything(self) -> dict[bytes, bytes]:
        return await dump_of(self.redis)

    async def bring_to_its_end(self) -> None:
        """The work of gateway and worker, until every segment has its terminal event."""
        for _ in range(10):
            try:
                await self._do_what_is_due()
                if not await self.redis.xlen(P0.finals_in("en-en")):
                    return
            except LogLostError:
                await self.gateway.restore(self.known, CHECKPOINT)
            except SupersededError:  # the other one has opened the call
                self.gateway, self.other = self.other, self.gateway

    async def _do_what_is_due(self) -> None:
        await self.work.prepare()
        await self.gateway.heartbeat(CHECKPOINT)
        await self.gateway.perform([STARTED])
        for segment in SEGMENTS[1:]:
            (_, outcome) = await self.gateway.perform(queued(segment))
            assert not isinstance(outcome, Missing)
        for one in [
            *await self.work.take_over(P0, 0, 3),
            *await self.work.claim(P0, 3, 1),
        ]:
            if one.effort is Effort.FINAL:
                await self.work.settle(one, final(one.job.segment))


Act = Callable[[Scene], Awaitable[object]]

SUBMITTED = [
    CALL.meta,
    CALL.settled,
    CALL.state(NOW),
    P0.finals_in("en-en"),
    CALL.audio(NOW),
    CALL.log,
    P0.outbox,
]

ACTS: list[tuple[Script, list[str], Act]] = [
    (
        OPEN,
        [CALL.meta, CALL.log, CALL.settled, P0.calls],
        lambda it: it.other.open("log-b", CHECKPOINT),
    ),
    (ADOPT, [CALL.meta, P0.calls, CALL.log, CALL.settled], lambda it: it.other.adopt(0)),
    (
        WRITE_CHECKPOINT,
        [CALL.meta, P0.calls, CALL.log, CALL.settled],
        lambda it: it.gateway.heartbeat(CHECKPOINT),
    ),
    (
        RESTORE,
        [CALL.meta, CALL.log, CALL.settled, P0.outbox, P0.calls],
        lambda it: it.gateway.restore(it.known, CHECKPOINT),
    ),
    (
        APPEND,
        [CALL.meta, CALL.log, CALL.settled, P0.outbox],
        lambda it: it.gateway.perform([LogEvent("more", encode_event(MarkReached("more")))]),
    ),
    (
        APPEND_AUDIO,
        [CALL.meta, CALL.audio(NOW), P0.partials_in("en-en")],
        lambda it: it.gateway.perform([StoreAudio(NOW, 6, b"more", job(NOW))]),
    ),
    (
        SUBMIT,
        SUBMITTED,
        lambda it: it.gateway.perform([QueueFinal(NOW, job(NOW), 6)]),
    ),
    (
        SUBMIT,
        SUBMITTED,
        lambda it: it.gateway.perform([QueueFinal(NOW, job(NOW), 6, drafted=True)]),
    ),
    (
        APPEND_AUDIO,
        [CALL.meta, CALL.audio(NOW), P0.drafts_in("en-en")],
        lambda it: it.gateway.perform([QueueDraft(NOW, job(NOW), 6)]),
    ),
    (
        KEEP_DRAFT,
        [CALL.meta, CALL.settled, CALL.state(NOW)],
        lambda it: it.work.keep_draft(it.draft, final(NOW), 10, (b"", b"after")),
    ),
    (TRY, [CALL.state(NOW)], lambda it: it.work.begin([it.claimed])),
    (TAKE_BACK_TRY, [CALL.state(NOW)], lambda it: it.work.take_back_tries([it.claimed])),
    (
        SUGGEST,
        [CALL.meta],
        lambda it: it.work.partials.publish(it.partial, PartialState(), b"hypothesis", b"event"),
    ),
    (SETTLE, CALL.settling(NOW), lambda it: it.work.settle(it.claimed, final(NOW), "a reason")),
    (
        SETTLE,
        CALL.settling(NOW),
        lambda it: it.gateway.perform([GiveUp(NOW, final(NOW))]),
    ),
    (RETIRE, [P0.calls, CALL.meta, CALL.log, CALL.settled], lambda it: it.gateway.retire()),
    (PROBE, [P0.outbox], lambda it: probe(it.redis, P0)),
    (RESEND, [P0.outbox], lambda it: it.gateway.resend(it.known)),
    (EXTEND, [P0.finals_in("en-en")], lambda it: it.work.extend([it.claimed])),
    (TAKE_OVER, [P0.finals_in("en-en")], lambda it: it.work.take_over(P0, 0)),
    (HAND_BACK, [P0.finals_in("en-en")], lambda it: it.work.hand_back([it.claimed])),
    (JOIN, [P0.finals_in("en-en")], lambda it: it.work.prepare()),
]
CASES = [(script, key, act) for script, keys, act in ACTS for key in keys]
OF_CALLS = (
    OPEN,
    ADOPT,
    WRITE_CHECKPOINT,
    RESTORE,
    APPEND,
    SUBMIT,
    KEEP_DRAFT,
    TRY,
    TAKE_BACK_TRY,
    SETTLE,
)
CALL_KEYS = {CALL.meta, CALL.log, CALL.settled, CALL.audio(NOW), CALL.state(NOW)}


@pytest.fixture
async def scene(redis: Redis) -> Scene:
    return await Scene.set(redis)


async def spoil(redis: Redis, key: str) -> None:
    kind = await redis.type(key)
    await redis.delete(key)
    if kind == b"string":
        await redis.rpush(key, "spoilt")
    else:
        await redis.set(key, "spoilt")


async def texts(redis: Redis) -> list[str]:
    entries = await entries_of(redis, CALL.log)
    read = [event_of(fields[b"e"]) for _, fields in entries]
    return [one.text for one in read if isinstance(one, Final)]


def test_every_script_says_of_each_key_what_it_has_to_be() -> None:
    for script, keys, _ in ACTS:
        assert len(script.kinds) == len(keys), script.name


@pytest.mark.parametrize(
    ("script", "key", "act"),
    CASES,
    ids=[
        f"{script.name}-{key.removeprefix(P0.tag)}-{at}"
        for at, (script, key, _) in enumerate(CASES)
    ],
)
async def test_a_script_that_meets_a_spoilt_key_does_nothing_and_the_call_ends_as_it_should(
    redis: Redis, scene: Scene, script: Script, key: str, act: Act
) -> None:
    del script
    await spoil(redis, key)
    before = await scene.everything()

    try:
        await act(scene)
    except (RedisError, LogLostError):
        assert await scene.everything() == before
    if key not in CALL_KEYS and await redis.type(key) in (b"string", b"list"):
        await redis.delete(key)  # as the error text says
    await scene.bring_to_its_end()

    assert await texts(redis) == [f"text of {segment}" for segment in SEGMENTS]


async def number_of_the_last(redis: Redis) -> None:
    await redis.hset(CALL.meta, "seq", "many")


async def whose_turn(redis: Redis) -> None:
    await redis.hset(CALL.meta, "next:0", "mine")


async def an_entry_too_many(redis: Redis) -> None:
    await redis.xadd(CALL.log, {"e": "strange"}, id="99-0")


async def no_log(redis: Redis) -> None:
    await redis.delete(CALL.log)


async def no_jobs(redis: Redis) -> None:
    await redis.delete(P0.finals_in("en-en"))


async def no_job(redis: Redis) -> None:
    await redis.xtrim(P0.finals_in("en-en"), maxlen=0, approximate=False)


async def no_numbers(redis: Redis) -> None:
    await redis.hset(CALL.state(NOW), mapping={"tried": "x", "revision": "x", "entry": "x"})


@pytest.mark.parametrize(
    "spoilt",
    [number_of_the_last, whose_turn, an_entry_too_many, no_log, no_jobs, no_job, no_numbers],
)
@pytest.mark.parametrize(
    "act",
    [act for script, _, act in ACTS if script in OF_CALLS],
    ids=[f"{at}-{one[0].name}" for at, one in enumerate(ACTS) if one[0] in OF_CALLS],
)
async def test_a_key_with_wrong_contents_is_as_good_as_a_lost_one(
    redis: Redis, scene: Scene, spoilt: Callable[[Redis], Awaitable[None]], act: Act
) -> None:
    await spoilt(redis)
    before = await scene.everything()

    try:
        await act(scene)
    except (RedisError, LogLostError):
        assert await scene.everything() == before
    await scene.bring_to_its_end()

    assert await texts(redis) == [f"text of {segment}" for segment in SEGMENTS]


async def test_a_member_that_is_not_utf_8_hides_no_other(redis: Redis) -> None:
    """Gateways read the first set, workers the second; neither may end because of one member."""
    await redis.zadd(P0.calls, {b"\xff": 1, b"c1": 2})
    await redis.sadd(P0.job_streams, b"\xff", "en-de")
    await redis.xadd(P0.finals_in("en-de"), {"j": "a job"})

    assert "c1" in await orphaned(redis, P0, since=3, most=10)
    assert set((await fleet(redis, P0, now=0)).waiting) == {("en", "de")}
