"""Too little memory is not the fault of a segment: it is tried again, as often as needed."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.job_streams import P0, JobStream, speech, working

from protocol.events import Final, SegmentFailed
from workers.engine_adapter import adapter_for
from workers.engines.base import (
    Capabilities,
    EngineBrokenError,
    EngineMemoryError,
    Hypothesis,
    Utterance,
)
from workers.engines.common.memory import is_out_of_memory
from workers.job_queue import WorkQueue
from workers.settings import WorkerSettings

ONE_TRY = WorkerSettings(lease_ms=3_600_000, max_deliveries=1)

ERRORS = [
    MemoryError(),
    OSError(12, "Cannot allocate memory"),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("can't start new thread"),
]


class Cramped:
    """A batch engine that can hold `room` utterances at a time, none for which `is_too_long`."""

    def __init__(
        self, room: int, error: Exception, is_too_long: Callable[[Utterance], bool]
    ) -> None:
        self._teller, self._room, self._error = LengthTeller(max_batch=8), room, error
        self._is_too_long = is_too_long
        self.capabilities: Capabilities = self._teller.capabilities
        self.refused = 0

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        if len(batch) > self._room or any(self._is_too_long(one) for one in batch):
            self.refused += 1
            raise self._error
        return self._teller.transcribe(batch)


def cramped(room: int, error: Exception | None = None) -> Cramped:
    return Cramped(room, error or MemoryError(), lambda _: False)


@pytest.fixture
async def job_stream(redis: Redis) -> JobStream:
    job_stream = JobStream(redis)
    await job_stream.begin()
    return job_stream


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_a_batch_without_room_is_divided_and_the_size_is_remembered(error: Exception) -> None:
    engine = cramped(2, error)
    adapter = adapter_for(engine)
    batch = [Utterance(speech(tenths)) for tenths in range(3, 11)]

    for _ in range(2):
        tickets = adapter.admit(batch)
        answers = dict(adapter.step())

        texts = [answers[ticket] for ticket in tickets]
        assert texts == [Hypothesis(one.words) for one in LengthTeller().transcribe(batch)]
    assert engine.refused == 2  # eight, then four; never again


def test_an_engine_that_has_no_room_for_silence_either_blames_no_utterance() -> None:
    adapter = adapter_for(cramped(0))
    adapter.admit([Utterance(speech(5))])

    with pytest.raises(EngineMemoryError):
        adapter.step()


def test_an_utterance_that_needs_more_room_than_silence_is_suspected() -> None:
    adapter = adapter_for(Cramped(8, MemoryError(), lambda one: bool(one.samples.any())))
    adapter.admit([Utterance(speech(5))])

    with pytest.raises(EngineBrokenError, match="one utterance") as raised:
        adapter.step()

    assert not isinstance(raised.value, EngineMemoryError)


@pytest.mark.parametrize(
    "error", [EngineMemoryError("none left"), *ERRORS], ids=lambda error: str(error) or "plain"
)
async def test_a_segment_is_never_charged_with_a_lack_of_memory(
    redis: Redis, job_stream: JobStream, error: Exception
) -> None:
    await job_stream.queue(0, speech(5))
    for number in range(3):
        async with working(redis, cramped(0, error), ONE_TRY, f"worker-{number}") as broken:
            await asyncio.wait({broken})
        assert broken.exception() is not None

    async with working(redis, LengthTeller(), ONE_TRY, name="heir"):
        terminal = await job_stream.next_terminal()

    assert isinstance(terminal, Final), terminal
    assert terminal.text == "5 tenths"


async def test_a_segment_that_is_suspected_is_charged(redis: Redis, job_stream: JobStream) -> None:
    await job_stream.queue(0, speech(5))
    engine = Cramped(8, MemoryError(), lambda one: bool(one.samples.any()))
    async with working(redis, engine, ONE_TRY, "worker-0") as broken:
        await asyncio.wait({broken})

    async with working(redis, LengthTeller(), ONE_TRY, name="heir"):
        terminal = await job_stream.next_terminal()

    assert isinstance(terminal, SegmentFailed)


async def test_a_worker_that_is_stopped_does_not_charge_what_it_could_not_finish(
    redis: Redis, job_stream: JobStream
) -> None:
    await job_stream.queue(0, speech(5))
    queue = WorkQueue(redis, [P0], "stopped")
    await queue.prepare()
    claimed = await queue.claim(P0, 1, 1_000)
    await queue.begin(claimed)
    await queue.take_back_tries(claimed)
    await queue.hand_back(claimed)

    async with working(redis, LengthTeller(), ONE_TRY, name="heir"):
        terminal = await job_stream.next_terminal()

    assert isinstance(terminal, Final)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("shapes do not match"),
        OSError(2, "no such file"),
        EngineBrokenError("out of memory with a batch of one utterance"),
    ],
)
def test_other_errors_are_no_lack_of_memory(error: Exception) -> None:
    assert not is_out_of_memory(error)
