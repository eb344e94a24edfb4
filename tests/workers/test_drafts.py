"""Drafts of finals between gateway and worker, on a real Valkey: each segment ends once, with the right words."""

import asyncio
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from support.answers import dump_of, entries_of
from support.calls_by_length import Reader
from support.engines import LengthTeller, StepwiseTeller
from support.entries import event_of
from support.job_streams import CALL, P0, speech, working
from support.redis_watch import monitored
from support.waiting import until, until_true

from protocol.calls.call import CallConfig, Role
from protocol.events import Final, SegmentId, Span, Timing, Word
from protocol.events.event_codec import encode_event
from protocol.redaction.policy import NO_REDACTION
from protocol.scheduling.jobs import Job, encode_job
from streaming.call.checkpoint import Checkpoint
from streaming.call.ledger import QueueDraft, QueueFinal, StoreAudio
from streaming.call.segments.drafts import DraftOutcome
from streaming.call_store import CallStore, LogLostError, Missing, SupersededError
from workers.engines.base import Effort, Utterance
from workers.job_queue import ClaimedJob, Outcome, WorkQueue
from workers.job_queue.partial_log import PartialState
from workers.text.redaction import may_wait

pytestmark = pytest.mark.shared_valkey

CHECKPOINT = Checkpoint((Role.MIXED,), "native", 0.0, CallConfig(), (0,))
ZERO, ONE = SegmentId(0, 0), SegmentId(0, 1)
DRAFTS, FINALS = P0.drafts_in("en-en"), P0.finals_in("en-en")


def job_of(segment: SegmentId = ZERO, end: int = 800) -> Job:
    return Job("call-1", "log-a", segment, 0, 0.0, "en", end=end)


def job(segment: SegmentId = ZERO, end: int = 800) -> bytes:
    return encode_job(job_of(segment, end))


def audio(tenths: int = 1) -> bytes:
    return (speech(tenths) * 32_767).astype("<i2").tobytes()


def final(segment: SegmentId = ZERO, text: str = "hello") -> bytes:
    return encode_event(
        Final(segment, Span(0, 800), (Word(text),), "en", 0, (), "engine", Timing(0, 0))
    )


async def asked(gateway: CallStore, segment: SegmentId = ZERO, end: int = 800) -> None:
    """The gateway stores the audio of a segment and queues its draft."""
    pcm = audio(end // 800)
    await gateway.perform(
        [StoreAudio(segment, 0, pcm), QueueDraft(segment, job(segment, end), len(pcm))]
    )


async def ended(
    gateway: CallStore, segment: SegmentId = ZERO, end: int = 800
) -> Missing | DraftOutcome | None:
    """The segment ends: its final is queued, or its draft used."""
    queued = QueueFinal(segment, job(segment, end), len(audio(end // 800)), drafted=True)
    (outcome,) = await gateway.perform([queued])
    return outcome


async def claimed(work: WorkQueue) -> ClaimedJob:
    (one,) = await work.claim(P0, 1, 1_000)
    work.take([one])
    return one


async def logged(redis: Redis) -> list[str]:
    events = [event_of(fields[b"e"]) for _, fields in await entries_of(redis, CALL.log)]
    return [event.text for event in events if isinstance(event, Final)]


@pytest.fixture
async def gateway(redis: Redis) -> CallStore:
    gateway = CallStore(redis, CALL, "owner-a")
    await gateway.open("log-a", CHECKPOINT)
    return gateway


@pytest.fixture
async def work(redis: Redis) -> WorkQueue:
    work = WorkQueue(redis, [P0], "worker-1")
    await work.prepare()
    return work


async def test_a_draft_that_is_done_becomes_the_final_at_once(
    redis: Redis, gateway: CallStore, work: WorkQueue
) -> None:
    await asked(gateway)
    one = await claimed(work)
    assert one.effort is Effort.DRAFT
    assert await work.keep_draft(one, final(), 70) == 0
    assert await logged(redis) == []

    outcomes = [await ended(gateway) for _ in range(2)]
    assert await work.claim(P0, 1, 1) == []

    assert outcomes == [DraftOutcome.USED, None]
    assert await logged(redis) == ["hello"]
    assert [fields[b"e"] for _, fields in await entries_of(redis, P0.outbox)] == [final()]
    assert await redis.xlen(FINALS) == await redis.xlen(DRAFTS) == 0
    assert await redis.exists(CALL.audio(ZERO), CALL.state(ZERO)) == 0
    assert await redis.hget(CALL.settled, "0-0") == b""
    assert await redis.hget(CALL.meta, "next:0") == b"1"


async def test_a_draft_that_is_not_done_is_replaced_by_the_final(
    redis: Redis, gateway: CallStore, work: WorkQueue
) -> None:
    await asked(gateway)
    await claimed(work)  # and its worker dies

    assert await ended(gateway) is DraftOutcome.LATE

    one = await claimed(work)
    assert (one.effort, one.job) == (Effort.FINAL, job_of())
    assert await work.settle(one, final(text="again")) is Outcome.RECORDED
    assert await logged(redis) == ["again"]


async def test_a_draft_of_other_audio_is_not_used(
    redis: Redis, gateway: CallStore, work: WorkQueue
) -> None:
    await asked(gateway)
    await work.keep_draft(await claimed(work), final(), 70)
    await gateway.perform([StoreAudio(ZERO, len(audio()), audio())])

    assert await ended(gateway, end=1_600) is DraftOutcome.LATE
    ((tries, lost),) = await work.begin([await claimed(work)])

    assert (tries, lost) == (1, 70)
    assert await logged(redis) == []


async def test_a_final_without_a_draft_does_not_look_for_one(
    redis: Redis, gateway: CallStore, work: WorkQueue
) -> None:
    await asked(gateway)
    await work.keep_draft(await claimed(work), final(), 70)

    assert await gateway.perform([QueueFinal(ZERO, job(), len(audio()))]) == [None]

    assert await logged(redis) == []
    assert await redis.xlen(FINALS) == 1


async def test_a_later_draft_replaces_an_earlier_one(
    redis: Redis, gateway: CallStore, work: WorkQueue
) -> None:
    await asked(gateway)
    first = await claimed(work)
    await asked(gateway, end=1_600)
    second = await claimed(work)

    assert await work.keep_draft(first, final(), 70, (b"", b"one")) == 0
    assert await work.keep_draft(second, final(text="hello there"), 90) == 70
    assert await redis.hexists(CALL.state(ZERO), "draft_before") is False

    assert await ended(gateway, end=1_600) is DraftOutcome.USED
    assert await logged(redis) == ["hello there"]


async def test_a_draft_expires_with_the_state_of_its_segment(
    redis: Redis, gateway: CallStore, work: WorkQueue
) -> None:
    await asked(gateway)
    await work.keep_draft(await claimed(work), final(), 70)

    assert 0 < await redis.ttl(CALL.state(ZERO)) <= 900


async def test_a_draft_that_comes_after_its_segment_is_not_kept(
    redis: Redis, gateway: CallStore, work: WorkQueue
) -> None:
    await asked(gateway)
    draft = await claimed(work)
    await ended(gateway)
    await work.settle(await claimed(work), final())

    assert await work.keep_draft(draft, final(text="late"), 70) is None

    assert await redis.exists(CALL.state(ZERO)) == 0
    assert await logged(redis) == ["hello"]


async def test_a_draft_of_an_older_log_is_not_kept(
    redis: Redis, gateway: CallStore, work: WorkQueue
) -> None:
    await asked(gateway)
    draft = await claimed(work)
    await redis.hset(CALL.meta, "log", "log-b")

    assert await work.keep_draft(draft, final(), 70) is None
    assert await redis.exists(CALL.state(ZERO)) == 0


async def test_a_draft_waits_for_the_turn_of_its_segment(
    redis: Redis, gateway: CallStore, work: WorkQueue
) -> None:
    await gateway.perform([StoreAudio(ZERO, 0, audio()), QueueFinal(ZERO, job(), len(audio()))])
    await asked(gateway, ONE)
    first, draft = await work.claim(P0, 2, 1_000)
    work.take([draft])
    await work.keep_draft(draft, final(ONE, "second"), 70)

    assert await ended(gateway, ONE) is DraftOutcome.USED
    assert await logged(redis) == []
    await work.settle(first, final(text="first"))

    assert await logged(redis) == ["first", "second"]


async def test_a_draft_of_another_state_of_redaction_is_not_used(
    redis: Redis, gateway: CallStore, work: WorkQueue
) -> None:
    await asked(gateway)
    await work.keep_draft(await claimed(work), final(), 70, (b"", b"after"))
    await redis.hset(CALL.meta, "redaction", b"of another segment")

    assert await ended(gateway) is DraftOutcome.LATE

    assert await logged(redis) == []
    assert await redis.hget(CALL.meta, "redaction") == b"of another segment"


async def test_a_draft_leads_to_the_state_of_redaction_after_it(
    redis: Redis, gateway: CallStore, work: WorkQueue
) -> None:
    await asked(gateway)
    await work.keep_draft(await claimed(work), final(), 70, (b"", b"after"))

    assert await ended(gateway) is DraftOutcome.USED
    assert await redis.hget(CALL.meta, "redaction") == b"after"


async def test_a_draft_is_not_used_by_an_older_owner(
    redis: Redis, gateway: CallStore, work: WorkQueue
) -> None:
    await asked(gateway)
    await work.keep_draft(await claimed(work), final(), 70)
    newer = CallStore(redis, CALL, "owner-b")
    await newer.open("log-b", CHECKPOINT)

    with pytest.raises(SupersededError):
        await ended(gateway)
    with pytest.raises(SupersededError):
        await gateway.perform([QueueDraft(ZERO, job(), len(audio()))])
    assert await work.claim(P0, 1, 1) == []
    assert await logged(redis) == []
    assert await ended(newer) is DraftOutcome.USED
    assert await logged(redis) == ["hello"]


@pytest.mark.parametrize(
    ("field", "value"), [("seq", "7"), ("next:0", "no count"), ("server", "another")]
)
async def test_a_draft_is_not_used_in_a_log_that_may_lack_entries(
    redis: Redis, gateway: CallStore, work: WorkQueue, field: str, value: str
) -> None:
    await asked(gateway)
    await work.keep_draft(await claimed(work), final(), 70)
    await redis.hset(CALL.meta, field, value)
    settled = await redis.hgetall(CALL.settled)

    with pytest.raises(LogLostError):
        await ended(gateway)

    assert await redis.hgetall(CALL.settled) == settled == {}
    assert await redis.hexists(CALL.state(ZERO), "draft")


async def test_a_draft_needs_its_audio(redis: Redis, gateway: CallStore) -> None:
    await gateway.perform([StoreAudio(ZERO, 0, audio()[:-2])])

    (outcome,) = await gateway.perform([QueueDraft(ZERO, job(), len(audio()))])

    assert outcome == Missing(ZERO, len(audio()) - 2)
    assert await redis.xlen(DRAFTS) == 0


async def test_a_spoilt_state_is_only_a_copy_and_is_replaced(
    redis: Redis, gateway: CallStore, work: WorkQueue
) -> None:
    await asked(gateway)
    draft = await claimed(work)
    await redis.set(CALL.state(ZERO), "spoilt")

    assert await ended(gateway) is DraftOutcome.LATE
    await redis.delete(CALL.state(ZERO))
    await redis.set(CALL.state(ZERO), "spoilt")
    assert await work.keep_draft(draft, final(), 70) == 0

    assert await ended(gateway) is DraftOutcome.USED


async def test_a_worker_that_hands_back_its_jobs_drops_the_drafts(
    redis: Redis, gateway: CallStore, work: WorkQueue
) -> None:
    await asked(gateway)
    (draft,) = await work.claim(P0, 1, 1_000)

    await work.hand_back([draft])

    assert await redis.xlen(DRAFTS) == 0


# With a worker


async def test_a_worker_keeps_what_would_be_the_final(redis: Redis, gateway: CallStore) -> None:
    async with working(redis, LengthTeller()):
        await asked(gateway)
        await until(lambda: redis.hexists(CALL.state(ZERO), "draft"))

        assert await ended(gateway) is DraftOutcome.USED

    assert await logged(redis) == ["1 tenths"]


async def test_a_worker_adds_the_padding_of_the_job(redis: Redis, gateway: CallStore) -> None:
    async with working(redis, LengthTeller()):
        padded = replace(job_of(), padding=1_600, redaction=NO_REDACTION)
        queued = QueueFinal(ZERO, encode_job(padded), len(audio()))
        await gateway.perform([StoreAudio(ZERO, 0, audio()), queued])
        await until(lambda: logged(redis))

    assert await logged(redis) == ["3 tenths"]


async def test_a_final_takes_over_its_draft_in_the_engine(redis: Redis, gateway: CallStore) -> None:
    is_queued = asyncio.Event()
    loop = asyncio.get_running_loop()

    def goes_on(engine: StepwiseTeller, one: Utterance) -> bool:
        return is_queued.is_set()

    engine = StepwiseTeller(gets_on=goes_on)
    async with working(redis, engine):
        await asked(gateway)
        await asyncio.to_thread(engine.began.wait)

        assert await ended(gateway) is DraftOutcome.LATE
        pending = await until(lambda: leased(redis))
        loop.call_soon(is_queued.set)
        await until(lambda: logged(redis))

    assert pending
    assert await logged(redis) == ["1 tenths"]
    assert engine.worked == [1]
    assert await redis.xlen(FINALS) == 0


async def leased(redis: Redis) -> bool:
    """Whether a worker has taken the final and counted its try."""
    return await redis.hexists(CALL.state(ZERO), "tried")


async def test_a_final_overtakes_the_draft_of_another_segment(
    redis: Redis, gateway: CallStore
) -> None:
    is_final_logged = asyncio.Event()

    def is_overtaken(engine: StepwiseTeller, one: Utterance) -> bool:
        return not one.speculative or is_final_logged.is_set()

    engine = StepwiseTeller(gets_on=is_overtaken)
    async with working(redis, engine):
        await asked(gateway, ONE, end=4_000)
        await asyncio.to_thread(engine.began.wait)
        pcm = audio(7)

        await gateway.perform(
            [StoreAudio(ZERO, 0, pcm), QueueFinal(ZERO, job(ZERO, 5_600), len(pcm))]
        )
        await until(lambda: logged(redis))
        is_final_logged.set()  # a draft that was kept before it would follow another state of redaction
        await until(lambda: redis.hexists(CALL.state(ONE), "draft"))

        assert await ended(gateway, ONE, end=4_000) is DraftOutcome.USED

    assert engine.worked == [5, *[7] * 7, *[5] * 4]
    assert await logged(redis) == ["7 tenths", "5 tenths"]


async def test_speech_that_goes_on_ends_the_work_on_a_draft(
    redis: Redis, gateway: CallStore
) -> None:
    def is_replaced(engine: StepwiseTeller, one: Utterance) -> bool:
        return one.effort is Effort.PARTIAL or len(one.samples) > 5 * 1_600

    engine = StepwiseTeller(gets_on=is_replaced)
    async with working(redis, engine):
        await asked(gateway, end=4_000)
        await asyncio.to_thread(engine.began.wait)

        open_job = encode_job(replace(job_of(), end=None))
        await gateway.perform([StoreAudio(ZERO, len(audio(5)), audio(1), open_job)])
        await until_true(lambda: engine.worked.count(6) == 6)

        pcm = audio(6)
        await gateway.perform([QueueFinal(ZERO, job(ZERO, 4_800), len(pcm))])
        await until(lambda: logged(redis))

    assert await logged(redis) == ["6 tenths"]
    assert engine.worked.count(5) == 1


async def test_an_unusable_outbox_is_told_before_anything_is_written(
    redis: Redis, gateway: CallStore, work: WorkQueue
) -> None:
    await asked(gateway)
    await work.keep_draft(await claimed(work), final(), 70)
    await redis.delete(P0.outbox)
    await redis.set(P0.outbox, "spoilt")
    before = await dump_of(redis)

    with pytest.raises(ResponseError, match="outbox"):
        await ended(gateway)

    assert await dump_of(redis) == before


@pytest.mark.parametrize(("number", "left"), [(0, b""), (1, b"words of a partial")])
async def test_the_words_of_partials_are_not_kept_longer_than_their_segment(
    redis: Redis, gateway: CallStore, work: WorkQueue, number: int, left: bytes
) -> None:
    open_job = encode_job(replace(job_of(SegmentId(0, number)), end=None))
    await gateway.perform([StoreAudio(SegmentId(0, number), 0, audio(), open_job)])
    (partial,) = await work.claim(P0, 1, 1_000)
    await work.partials.publish(partial, PartialState(), b"words of a partial", b"event")
    queued = QueueDraft(ZERO, job(), len(audio()))
    await gateway.perform([StoreAudio(ZERO, 0, audio()), queued])
    await work.keep_draft(await claimed(work), final(), 70)

    assert await ended(gateway) is DraftOutcome.USED

    assert await redis.hget(CALL.meta, "words:0") == left


async def test_a_draft_with_digits_that_may_belong_to_a_card_does_not_wait_in_redis(
    redis: Redis, gateway: CallStore
) -> None:
    texts = {1: "so my card number is four seven", 2: "no digits here"}
    async with monitored(redis) as commands, working(redis, Reader(texts)):
        await asked(gateway, ONE)
        await asked(gateway, end=1_600)
        await until(lambda: redis.hexists(CALL.state(ZERO), "draft"))

        assert await ended(gateway, end=1_600) is DraftOutcome.USED
        assert await redis.hexists(CALL.state(ONE), "draft") is False
        assert not any("seven" in command for command in commands)

        assert await ended(gateway, ONE) is DraftOutcome.LATE
        await until(lambda: count_is(redis, 2))


async def count_is(redis: Redis, finals: int) -> bool:
    return len(await logged(redis)) == finals


@pytest.mark.parametrize(
    ("words", "may"),
    [
        ("thank you very much", True),
        ("we have 3 of them left", True),
        ("my card number is 4738", False),
        ("4738 2916 0563 7481 is my card number", False),
        ("", True),
    ],
)
def test_words_may_wait_if_nothing_in_them_is_or_becomes_card_data(words: str, may: bool) -> None:
    assert may_wait(job_of(), Span(0, 800), words.split(), b"") is may
