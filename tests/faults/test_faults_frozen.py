"""
Gateways that are stopped and continued; the bridges of their calls cannot reconnect.

A gateway in its own process; the adopter, the worker and the recorder are in this process. The calls speak digits
that can be recognised from the samples, so every word is checked.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis
from support.gateways import NO_REDACTION, ROOT, gateway_process, twilio_call, working
from support.pipeline import Event, Listener, pipeline
from support.valkey import ValkeyServer
from support.waiting import until
from websockets.asyncio.client import connect

from bench.bridge import CallScript, script
from bench.spoken import SYLLABLE, Reader
from broker.redis_keys import CallKeys
from streaming.settings import GatewaySettings

pytestmark = pytest.mark.waits

KEYS = CallKeys.of("c1", 1)
SAID = script("c1", 12, np.random.default_rng(7), poisoned=False)
NUMBER = 4 * SYLLABLE + 4_000
HALF = 4_000 + 6 * NUMBER + 2 * SYLLABLE
"""Samples up to the middle of the seventh number."""

ADOPTER = GatewaySettings(
    drain_seconds=0, lost_seconds=6, vad="webrtc", redaction_policy=NO_REDACTION
)
PATIENT = GatewaySettings(
    drain_seconds=0, resume_seconds=6, vad="webrtc", redaction_policy=NO_REDACTION
)


async def until_adopted(redis: Redis, *, is_so: bool = True) -> None:
    async def happens() -> bool:
        return bool(await redis.hexists(KEYS.meta, "adopted")) is is_so

    await until(happens)


async def until_replaced(redis: Redis, log: bytes | str | None) -> None:
    async def happens() -> bool:
        return bool(await redis.hget(KEYS.meta, "log") != log)

    await until(happens)


async def last_heartbeat(redis: Redis) -> float:
    """When the call's gateway gave its last sign of life, by the clock of Redis."""
    return float(await redis.zscore(KEYS.partition.calls, "c1") or 0)


async def until_beaten(redis: Redis, moment: float) -> None:
    async def happens() -> bool:
        return await last_heartbeat(redis) >= moment

    await until(happens)


async def until_there(file: Path) -> None:
    async def happens() -> bool:
        return await asyncio.to_thread(file.exists)

    await until(happens)


async def until_silent(redis: Redis, seconds: float) -> None:
    """Until the call's gateway has given no sign of life for so long."""

    async def happens() -> bool:
        return bool((await redis.time())[0] - await last_heartbeat(redis) >= seconds)

    await until(happens)


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[Listener]:
    heard = Listener()
    async with connect(f"{url}/v1/calls/c1/events") as socket:
        task = asyncio.ensure_future(heard.listen(socket))
        yield heard
        task.cancel()


def finals(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if event["type"] == "segment.final"]


def misheard(said: CallScript, events: Sequence[Event]) -> list[int]:
    """Where digits begin that do not stand there once."""
    words = [(word["s"] * 8, word["w"]) for event in finals(events) for word in event["words"]]
    heard = {
        at: [word for start, word in words if abs(start - at) < SYLLABLE // 2]
        for at, _ in said.digits
    }
    return [at for at, digit in said.digits if heard[at] != [digit]]


def assert_cut_once(wrong: Sequence[int]) -> None:
    """Only the digit that was being said when the gateway stood still may have been cut in two."""
    assert len(wrong) <= 1
    assert all(HALF - 2 * SYLLABLE <= at <= HALF + SYLLABLE for at in wrong)


def assert_whole(log: Sequence[Event], reason: str) -> None:
    """No hole, one end for each segment, one end of the call, an account that adds up."""
    begun = [event["segment_id"] for event in log if event["type"] == "speech.started"]
    ended = [
        event["segment_id"]
        for event in log
        if event["type"] in ("segment.final", "segment.failed", "segment.dropped")
    ]
    assert [event["seq"] for event in log if "seq" in event] == list(range(1, len(log) + 1))
    assert sorted(begun) == sorted(ended)
    assert [event["type"] for event in log].count("call.ended") == 1
    last = log[-1]
    assert (last["type"], last["reason"]) == ("call.ended", reason)
    assert all(sum(one.values()) == last["duration_ms"] for one in last["channels"])


def logged(heard: Listener) -> list[Event]:
    return [event for event in heard.events if "seq" in event]


async def test_d14_a_gateway_that_stood_still_goes_on_with_its_calls(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    """Longer than the gateway waits for a bridge, shorter than `lost_seconds`."""
    async with (
        pipeline(redis, tmp_path, Reader(mortal=False), gateway=PATIENT) as it,
        gateway_process(valkey, TRUNKLINE_GATEWAY_RESUME_SECONDS="6") as frozen,
        listening(it.url) as heard,
        twilio_call(frozen.url, "c1") as bridge,
    ):
        await bridge.speak(SAID.audio[:HALF])
        await heard.until("segment.final", 3)
        frozen.running.send_signal(signal.SIGSTOP)
        saying = asyncio.ensure_future(bridge.speak(SAID.audio[HALF:]))
        await until_silent(redis, 9)
        frozen.running.send_signal(signal.SIGCONT)
        await saying
        await bridge.hang_up()
        await heard.until("call.ended")

    assert misheard(SAID, heard.events) == []
    assert_whole(logged(heard), "completed")


async def test_d15_a_gateway_takes_its_call_back_from_an_adopter(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    """No worker is there meanwhile, so the adopter has not come to the end of the call yet."""
    async with (
        pipeline(redis, tmp_path, None, gateway=ADOPTER) as it,
        gateway_process(valkey) as frozen,
        listening(it.url) as heard,
        twilio_call(frozen.url, "c1") as bridge,
    ):
        await bridge.speak(SAID.audio[:HALF])
        await heard.until("speech.started", 7)
        frozen.running.send_signal(signal.SIGSTOP)
        saying = asyncio.ensure_future(bridge.speak(SAID.audio[HALF:]))
        await until_adopted(redis)
        frozen.running.send_signal(signal.SIGCONT)
        await until_adopted(redis, is_so=False)
        await saying
        async with working(redis, Reader(mortal=False)):
            await bridge.hang_up()
            await heard.until("call.ended")

    assert_cut_once(misheard(SAID, heard.events))
    assert_whole(logged(heard), "completed")


@pytest.mark.long
async def test_d16_what_is_said_after_an_adopter_has_ended_the_call_goes_into_another_log(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    async with (
        pipeline(redis, tmp_path, Reader(mortal=False), gateway=ADOPTER) as it,
        gateway_process(valkey) as frozen,
        listening(it.url) as heard,
        twilio_call(frozen.url, "c1") as bridge,
    ):
        await bridge.speak(SAID.audio[:HALF])
        await heard.until("segment.final", 3)
        frozen.running.send_signal(signal.SIGSTOP)
        saying = asyncio.ensure_future(bridge.speak(SAID.audio[HALF:]))
        await heard.until("call.ended")
        ended = await redis.hget(KEYS.meta, "log")
        frozen.running.send_signal(signal.SIGCONT)
        await until_replaced(redis, ended)
        async with listening(it.url) as later:
            await saying
            await bridge.hang_up()
            await later.until("call.ended")

    first, second = logged(heard), logged(later)
    assert_whole(first, "gateway lost")
    assert_whole(second, "completed")
    assert_cut_once(misheard(SAID, [*first, *second]))


async def test_d12_a_gateway_sends_heartbeats_while_its_loop_is_blocked_but_not_for_ever(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    block = tmp_path / "block"
    program = (str(ROOT / "tests/support/held_up_gateway.py"), str(block), valkey.url)
    async with (
        pipeline(redis, tmp_path, None, gateway=ADOPTER) as it,
        gateway_process(valkey, program) as held_up,
        listening(it.url) as heard,
        twilio_call(held_up.url, "c1") as bridge,
    ):
        await bridge.speak(SAID.audio[:HALF])
        await heard.until("speech.started", 5)
        owner = await redis.hget(KEYS.meta, "owner")
        block.touch()
        saying = asyncio.ensure_future(bridge.speak(SAID.audio[HALF:]))
        await until_there(block.with_suffix(".held"))
        began = (await redis.time())[0]

        await until_beaten(redis, began + 3)
        beaten_by = await redis.hget(KEYS.meta, "owner")
        await until_adopted(redis)
        block.unlink()
        await until_adopted(redis, is_so=False)
        await saying
        async with working(redis, Reader(mortal=False)):
            await bridge.hang_up()
            await heard.until("call.ended")

    assert beaten_by == owner
    assert len(misheard(SAID, heard.events)) <= 1
    assert_whole(logged(heard), "completed")
