"""Audio at 8 and at 16 kHz between gateway and worker, on a real Valkey: lengths and times are those of the call."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from redis.asyncio import Redis
from support.answers import entries_of
from support.entries import event_of
from support.job_streams import CALL, P0, JobStream, working
from support.valkey import ValkeyServer
from support.waiting import until

from protocol.calls.call import CallConfig, Role
from protocol.events import Final, Partial, SegmentId, Span
from protocol.redaction.policy import NO_REDACTION
from protocol.scheduling.jobs import Job, encode_job
from streaming.call.checkpoint import Checkpoint
from streaming.call.ledger import QueueFinal, StoreAudio
from streaming.call_store import CallStore
from workers.engines.base import (
    Capabilities,
    Effort,
    Hypothesis,
    RecognisedWord,
    Samples,
    Utterance,
)
from workers.job_queue import WorkQueue
from workers.upsampling import engine_samples

RATES = pytest.mark.parametrize("rate", [8_000, 16_000])
SEGMENT = SegmentId(0, 0)
CHECKPOINT = Checkpoint((Role.MIXED,), "native", 0.0, CallConfig(), (0,))


@dataclass
class Listener:
    """Keeps what it gets, and recognises a click of full scale: the word ends 100 ms behind it."""

    heard: list[Utterance] = field(default_factory=list)
    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities("listener", frozenset({"en"}), word_times="attention")
    )

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        self.heard += batch
        return [Hypothesis((self._word(one.samples),)) for one in batch]

    def _word(self, samples: Samples) -> RecognisedWord:
        at = int(np.argmax(samples))
        return RecognisedWord("click", at, at + 1_600)


def clicking(seconds: float, click: float, rate: int) -> bytes:
    """Soft noise with a pulse of 1 ms, of which the middle is at `click` seconds."""
    pcm = np.random.default_rng(7).integers(-50, 50, round(seconds * rate)).astype("<i2")
    middle = round(click * rate)
    pcm[middle - rate // 2_000 : middle + rate // 2_000] = 20_000
    return pcm.tobytes()


def job(rate: int, start: int, end: int | None, padding: int = 0) -> bytes:
    return encode_job(
        Job(
            "call-1", "log-a", SEGMENT, start, 0.0, "en",
            end=end, padding=padding, rate=rate, redaction=NO_REDACTION,
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One server for all tests, emptied for each."""
    with ValkeyServer(tmp_path_factory.mktemp("valkey") / "valkey.sock") as server:
        yield server


@pytest.fixture
async def gateway(redis: Redis) -> CallStore:
    await redis.flushall()
    gateway = CallStore(redis, CALL, "owner-a")
    await gateway.open("log-a", CHECKPOINT)
    return gateway


async def finals(redis: Redis) -> list[Final]:
    events = [event_of(fields[b"e"]) for _, fields in await entries_of(redis, CALL.log)]
    return [event for event in events if isinstance(event, Final)]


@RATES
async def test_words_and_segments_have_their_places_on_the_call_clock(
    redis: Redis, gateway: CallStore, rate: int
) -> None:
    # given a segment of 2 s that begins at 5 s, with a click 0.5 s later, and half a second that is not part of it
    stored = clicking(2.5, 0.5, rate)
    engine = Listener()

    # when
    queued = QueueFinal(SEGMENT, job(rate, 40_000, 56_000, padding=1_600), len(stored))
    async with working(redis, engine):
        await gateway.perform([StoreAudio(SEGMENT, 0, stored), queued])
        (final,) = await until(lambda: finals(redis))

    # then
    assert final.span == Span(40_000, 56_000)
    (word,) = final.words
    assert word.start == pytest.approx(44_000, abs=8)
    assert word.end == pytest.approx(44_800, abs=8)
    (utterance,) = engine.heard
    assert len(utterance.samples) == 2 * 16_000 + 3_200, "with the padding"
    assert not np.any(utterance.samples[2 * 16_000 :])


async def test_the_engine_gets_the_whole_segment_converted_at_once(
    redis: Redis, gateway: CallStore
) -> None:
    stored, engine = clicking(1, 0.5, 8_000), Listener()

    async with working(redis, engine):
        await gateway.perform(
            [
                StoreAudio(SEGMENT, 0, stored),
                QueueFinal(SEGMENT, job(8_000, 0, 8_000), len(stored)),
            ]
        )
        await until(lambda: finals(redis))

    expected = engine_samples(np.frombuffer(stored, dtype=np.int16))
    assert np.array_equal(engine.heard[0].samples, expected)


@RATES
async def test_a_growing_segment_is_fetched_in_parts_and_converted_as_a_whole(
    redis: Redis, gateway: CallStore, rate: int
) -> None:
    # given a partial of each second of a segment, by one worker
    stored, work = clicking(3, 0.5, rate), WorkQueue(redis, [P0], "worker-1")
    await work.prepare()
    second = 2 * rate

    # when
    found = []
    for at in range(0, len(stored), second):
        partial = StoreAudio(SEGMENT, at, stored[at : at + second], job(rate, 0, None))
        await gateway.perform([partial])
        claimed = await work.claim(P0, 1, 1_000)
        found += await work.audio(claimed)
        work.take(claimed)

    # then
    assert [one.effort for one in claimed] == [Effort.PARTIAL]
    assert found == [stored[: at + second] for at in range(0, len(stored), second)]


@RATES
async def test_a_partial_ends_where_its_audio_ends(
    redis: Redis, gateway: CallStore, rate: int
) -> None:
    stream = JobStream(redis)
    async with stream.partials() as published, working(redis, Listener()):
        stored = clicking(1.5, 0.5, rate)
        await gateway.perform([StoreAudio(SEGMENT, 0, stored, job(rate, 8_000, None))])
        partial = await anext(published)

    assert isinstance(partial, Partial)
    assert partial.span == Span(8_000, 20_000)
