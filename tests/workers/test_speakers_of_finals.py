"""The speakers of a mixed channel, from the worker's commits on a real Valkey: one clustering for the whole call."""

import numpy as np
import pytest
from redis.asyncio import Redis
from support.answers import entries_of
from support.entries import event_of
from support.job_streams import CALL, P0, speech

from protocol.calls.call import BY_GREETING, CallConfig, Role, RoleRule
from protocol.events import Final, SegmentId, SegmentRevised, Span, Timing, Word
from protocol.redaction.policy import CARD_DATA_POLICY, NO_REDACTION, Policy
from protocol.scheduling.jobs import Job, encode_job
from streaming.call.checkpoint import Checkpoint
from streaming.call.ledger import QueueDraft, QueueFinal, StoreAudio
from streaming.call_store import CallStore
from workers.final_writer import FinalWriter
from workers.job_queue import ClaimedJob, Outcome, WorkQueue
from workers.speakers.labelling import UNKNOWN_FLAG
from workers.speakers.voice_encoder import Floats, VoiceWindows

CHECKPOINT = Checkpoint((Role.MIXED,), "native", 0.0, CallConfig(), (0,))
PCM = (speech(10) * 32_767).astype("<i2").tobytes()


class LoudVoices:
    """A voice is known by how loud it is: each tenth of full scale is another one."""

    def windows(self, samples: Floats, hop: int) -> VoiceWindows:
        centres = np.arange(hop // 2, len(samples), hop)
        vectors = np.zeros((len(centres), 256), np.float32)
        for place, at in enumerate(centres):
            vectors[place, round(float(samples[at]) * 10)] = 1.0
        return VoiceWindows(centres, vectors)


def samples_of(*levels: float) -> Floats:
    """For each level, 2.4 s at that level."""
    return np.repeat(np.array(levels, np.float32), 38_400)


def job_of(
    number: int, policy: Policy = NO_REDACTION, speaker_roles: RoleRule = BY_GREETING
) -> Job:
    return Job(
        "call-1",
        "log-a",
        SegmentId(0, number),
        0,
        0.0,
        "en",
        end=8_000,
        redaction=policy,
        speakers=2,
        speaker_roles=speaker_roles,
    )


def final(number: int, *texts: str) -> Final:
    words = tuple(Word(text) for text in texts)
    span = Span(0, 2_400 * 8 * len(texts))
    return Final(SegmentId(0, number), span, words, "en", 0, (), "engine", Timing(0, 0))


async def begun(redis: Redis) -> tuple[CallStore, WorkQueue]:
    gateway, work = CallStore(redis, CALL, "owner"), WorkQueue(redis, [P0], "worker-1")
    await gateway.open("log-a", CHECKPOINT)
    await work.prepare()
    return gateway, work


async def queued(
    gateway: CallStore, work: WorkQueue, job: Job, *, recorded: bool = False
) -> ClaimedJob:
    encoded = encode_job(job)
    await gateway.perform(
        [
            StoreAudio(job.segment, 0, PCM),
            QueueFinal(job.segment, encoded, len(PCM), recorded=recorded),
        ]
    )
    (claimed,) = await (work.claim_recorded(P0, 100) if recorded else work.claim(P0, 1, 100))
    return claimed


async def finals(redis: Redis) -> list[Final]:
    events = [event_of(fields[b"e"]) for _, fields in await entries_of(redis, CALL.log)]
    return [event for event in events if isinstance(event, Final)]


async def speakers(redis: Redis) -> list[list[int | None]]:
    """Those of the words of each final in the log."""
    return [[word.speaker for word in one.words] for one in await finals(redis)]


async def test_finals_of_several_workers_share_the_speakers_of_their_call(redis: Redis) -> None:
    gateway, work = await begun(redis)
    said = [((0.1,), "hello"), ((0.3,), "hi"), ((0.1, 0.3), "so"), ((0.3,), "yes")]
    for number, (levels, text) in enumerate(said):
        one = await queued(gateway, work, job_of(number, CARD_DATA_POLICY))
        writer = FinalWriter(
            work, None, LoudVoices()
        )  # another one each time, as in another process
        words = [text] * len(levels)
        await writer.commit(one, final(number, *words), samples_of(*levels))

    assert await speakers(redis) == [[0], [1], [0, 1], [1]]


async def test_a_final_made_with_an_older_state_is_made_again(redis: Redis) -> None:
    gateway, work = await begun(redis)
    one = await queued(gateway, work, job_of(0))

    moved = await work.settle(one, b"event", speakers=(b"of another final", b"mine"))

    assert moved is Outcome.MOVED
    assert await redis.hget(CALL.meta, "speakers:0") is None
    writer = FinalWriter(work, None, LoudVoices())
    assert await writer.commit(one, final(0, "hello"), samples_of(0.1)) is Outcome.RECORDED
    assert await speakers(redis) == [[0]]


async def test_a_draft_becomes_the_final_with_its_speakers(redis: Redis) -> None:
    gateway, work = await begun(redis)
    job = job_of(0)
    await gateway.perform(
        [StoreAudio(job.segment, 0, PCM), QueueDraft(job.segment, encode_job(job), len(PCM))]
    )
    (claimed,) = await work.claim(P0, 1, 100)
    await FinalWriter(work, None, LoudVoices()).keep(
        claimed, final(0, "hello", "hi"), samples_of(0.1, 0.3)
    )
    assert await redis.hget(CALL.meta, "speakers:0") is None
    await gateway.perform([QueueFinal(job.segment, encode_job(job), len(PCM), drafted=True)])

    assert await speakers(redis) == [[0, 1]]
    assert await redis.hget(CALL.meta, "speakers:0")


async def test_without_an_encoder_the_words_are_there_and_flagged(redis: Redis) -> None:
    gateway, work = await begun(redis)
    one = await queued(gateway, work, job_of(0))

    await FinalWriter(work, None, None).commit(one, final(0, "hello"), samples_of(0.1))

    (shown,) = await finals(redis)
    assert (shown.text, shown.flags) == ("hello", (UNKNOWN_FLAG,))


async def recorded_speakers(redis: Redis, *, recorded: bool) -> tuple[list[list[int | None]], int]:
    """
    The speakers of two finals and the number of revisions.

    Too little is said by the second voice in the first segment: it is told apart with the second segment.
    """
    gateway, work = await begun(redis)
    for number, levels in enumerate([(0.1, 0.1, 0.3), (0.3, 0.1)]):
        one = await queued(gateway, work, job_of(number), recorded=recorded)
        samples = np.concatenate([samples_of(*levels[:-1]), samples_of(levels[-1])[:20_000]])
        words = ["a", "b", "c"][: len(levels)]
        await FinalWriter(work, None, LoudVoices()).commit(one, final(number, *words), samples)
    return await speakers(redis), len(await revisions(redis))


async def revisions(redis: Redis) -> list[SegmentRevised]:
    events = [event_of(fields[b"e"]) for _, fields in await entries_of(redis, CALL.log)]
    return [event for event in events if isinstance(event, SegmentRevised)]


async def test_a_recording_gets_the_speakers_that_its_later_speech_tells_apart(
    redis: Redis,
) -> None:
    assert await recorded_speakers(redis, recorded=True) == ([[0, 0, 1], [1, 0]], 1)


async def test_a_live_call_keeps_the_speakers_that_were_told(redis: Redis) -> None:
    assert await recorded_speakers(redis, recorded=False) == ([[0, 0, 0], [1, 0]], 0)


@pytest.mark.parametrize("policy", [NO_REDACTION, CARD_DATA_POLICY])
@pytest.mark.parametrize("recorded", [False, True])
async def test_roles_that_become_known_later_are_given_to_the_words_before(
    redis: Redis, policy: Policy, *, recorded: bool
) -> None:
    gateway, work = await begun(redis)
    writer = FinalWriter(work, None, LoudVoices())
    for number, (level, text) in enumerate(
        [(0.1, "Thank you for calling Acme."), (0.3, "Hello."), (0.1, "How can I help?")]
    ):
        one = await queued(gateway, work, job_of(number, policy), recorded=recorded)
        await writer.commit(one, final(number, *text.split()), samples_of(level))

    roles = [{word.role for word in one.words} for one in await finals(redis)]
    assert roles == [{Role.AGENT}, {Role.CUSTOMER}, {Role.AGENT}]
    (revision,) = await revisions(redis)
    assert revision.final.text == "Thank you for calling Acme."
    assert {word.role for word in revision.final.words} == {Role.AGENT}


async def test_a_draft_that_shows_the_roles_is_transcribed_again_with_the_final(
    redis: Redis,
) -> None:
    """Because a draft revises no earlier finals."""
    gateway, work = await begun(redis)
    writer = FinalWriter(work, None, LoudVoices())
    one = await queued(gateway, work, job_of(0))
    await writer.commit(one, final(0, *["How", "can", "I", "help?"]), samples_of(0.1))
    job = job_of(1)
    await gateway.perform(
        [StoreAudio(job.segment, 0, PCM), QueueDraft(job.segment, encode_job(job), len(PCM))]
    )
    (claimed,) = await work.claim(P0, 1, 100)

    assert await writer.keep(claimed, final(1, "Hello."), samples_of(0.3)) is None
