"""The sample rate of stored audio when another gateway continues a call, on a real Valkey."""

from dataclasses import replace

import msgspec
import pytest
from redis.asyncio import Redis

from broker.redis_keys import CallKeys, Partition
from protocol.bridge_events import CallOpened
from protocol.calls.call import CallConfig, Role
from protocol.events import SegmentId, Span, SpeechStarted
from protocol.events.event_codec import encode_event
from protocol.scheduling.jobs import Job, decode_job, encode_job
from streaming.call.call import Call
from streaming.call.checkpoint import (
    Checkpoint,
    decode_checkpoint,
    encode_checkpoint,
    first_checkpoint,
)
from streaming.call.identity import CallIdentity
from streaming.call.ledger import Ledger, LogEvent, QueueFinal, StoreAudio
from streaming.call.recovery import RecoveredCall
from streaming.call_store import CallStore

KEYS = CallKeys(Partition(0), "call-1")
SEGMENT = SegmentId(0, 0)
SECOND_BYTES = 16_000
"""Of a second at 8 kHz."""

OLD = Checkpoint((Role.MIXED,), "native", 0.0, CallConfig(), (0,))
"""As an older gateway wrote it: all audio is at 16 kHz."""

NARROW = replace(OLD, rate=8_000)


async def died(redis: Redis, checkpoint: Checkpoint, audio: bytes, job: bytes = b"") -> None:
    """A gateway has stored audio of a segment that begins at 1 s, and died."""
    gateway = CallStore(redis, KEYS, "owner-a")
    await gateway.open("log-a", checkpoint)
    await gateway.perform(
        [
            LogEvent("speech:0-0", encode_event(SpeechStarted(SEGMENT, 8_000))),
            StoreAudio(SEGMENT, 0, audio),
        ]
    )
    if job:
        outcome = await gateway.perform([QueueFinal(SEGMENT, job, len(audio))])
        assert outcome == [None]


async def recovered(redis: Redis) -> RecoveredCall:
    heir = CallStore(redis, KEYS, "owner-b")
    assert await heir.adopt(silent_seconds=-1)
    return await heir.recovered(OLD)


def continued(past: RecoveredCall, rate: int) -> Call:
    """The call, continued by a bridge whose audio is processed at `rate`."""
    identity = CallIdentity("call-1", past.log, (Role.MIXED,), "native", 0.0)
    call = Call(identity, past.config, Ledger(1, rate=rate), 500, lambda: 0.0)
    call.recall(past)
    return call


@pytest.mark.parametrize(("checkpoint", "seconds"), [(NARROW, 2), (OLD, 1)])
async def test_an_open_segment_is_as_long_as_its_audio(
    redis: Redis, checkpoint: Checkpoint, seconds: int
) -> None:
    await died(redis, checkpoint, bytes(2 * SECOND_BYTES))

    past = await recovered(redis)

    (one,) = past.unsettled_segments
    assert (one.span, one.rate) == (Span(8_000, 8_000 + seconds * 8_000), checkpoint.rate)
    assert past.heard(0) == one.span.end


@pytest.mark.parametrize("rate", [8_000, 16_000])
async def test_its_final_has_the_rate_of_its_audio(redis: Redis, rate: int) -> None:
    """Whatever the rate of the bridge that continues the call."""
    await died(redis, NARROW, bytes(SECOND_BYTES))

    call = continued(await recovered(redis), rate)

    (queued,) = [one for one in call.ledger.due() if isinstance(one, QueueFinal)]
    job = decode_job(queued.job)
    assert (job.start, job.end, job.rate) == (8_000, 16_000, 8_000)


async def test_a_third_gateway_knows_the_rate_too(redis: Redis) -> None:
    # given a segment at 8 kHz of a call that continues at 16 kHz
    await died(redis, NARROW, bytes(SECOND_BYTES))
    call = continued(await recovered(redis), 16_000)

    # when the second gateway has written its checkpoint and died too
    ledger = call.ledger
    second = replace(OLD, rate=ledger.rate, other_rates=ledger.other_rates)
    owner = CallStore(redis, KEYS, "owner-c")
    assert await owner.adopt(silent_seconds=-1)
    await owner.heartbeat(second)
    past = await recovered(redis)

    # then
    (one,) = past.unsettled_segments
    assert (one.span, one.rate) == (Span(8_000, 16_000), 8_000)


async def test_a_queued_job_tells_the_rate(redis: Redis) -> None:
    job = encode_job(
        Job("call-1", "log-a", SEGMENT, 8_000, 0.0, "en", end=16_000, rate=8_000),
    )
    await died(redis, OLD, bytes(SECOND_BYTES), job)

    (one,) = (await recovered(redis)).unsettled_segments

    assert (one.span, one.rate, one.job) == (Span(8_000, 16_000), 8_000, job)


@pytest.mark.parametrize(
    ("bridge", "rate"), [(8_000, 8_000), (16_000, 16_000), (11_025, 16_000), (48_000, 16_000)]
)
def test_a_checkpoint_has_the_rate_from_the_start(bridge: int, rate: int) -> None:
    opened = CallOpened(None, (Role.MIXED,), bridge)

    assert first_checkpoint(opened, "native", 0.0, "").rate == rate


def test_a_checkpoint_of_an_older_gateway_says_16_khz() -> None:
    version, fields = msgspec.msgpack.decode(encode_checkpoint(NARROW))
    older = {name: value for name, value in fields.items() if name not in ("rate", "other_rates")}

    assert decode_checkpoint(msgspec.msgpack.encode((version, older))) == OLD
