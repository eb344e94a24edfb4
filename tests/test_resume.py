"""Calls that continue after their connection or gateway is lost: two gateways, real Valkey, real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import Listener, calling, gateway, pipeline, reset, stream
from support.stored import stored_call
from support.waiting import PATIENCE
from websockets.asyncio.client import connect

from broker.event_log.log_reader import LogReader
from broker.event_log.pubsub import PubSubHub
from cli.recording import read_recording
from protocol.audio import Encoding, encode
from protocol.bridge_events import AudioReceived, CallOpened
from protocol.calls.call import Role
from protocol.dialects.base import Request
from protocol.dialects.native import Native
from streaming.audio.vad_batcher import VadBatcher
from streaming.audio.voice_activity.silero import Silero, silero_weights
from streaming.session.call_registry import CallRegistry
from streaming.settings import GatewaySettings

PROMPTS = sorted((Path(__file__).parent / "speech" / "prompts").glob("*.wav"))
SECOND_OF_SILENCE = np.zeros(8_000, dtype=np.int16)
SPEECH = np.concatenate(
    [part for path in PROMPTS[:4] for part in (read_recording(path).channels[0], SECOND_OF_SILENCE)]
)
AUDIO = encode(SPEECH, Encoding.MULAW)


def begun(heard: Listener) -> set[str]:
    return {event["segment_id"] for event in heard.of("speech.started")}


def ended(heard: Listener) -> list[str]:
    kinds = ("segment.final", "segment.failed", "segment.dropped")
    return [event["segment_id"] for kind in kinds for event in heard.of(kind)]


async def whole_log(url: str, call_id: str) -> Listener:
    """All events of the call, read by a listener that connects late."""
    reader = Listener()
    async with (
        asyncio.timeout(PATIENCE),
        connect(f"{url}/v1/calls/{call_id}/events?after=0") as socket,
    ):
        await reader.listen(socket)
    return reader


def assert_whole(log: Listener, reason: str) -> None:
    """One terminal event for each segment, no hole in the log, an account that adds up."""
    last = log.events[-1]
    logged = [event["seq"] for event in log.events if "seq" in event]
    assert logged == list(range(1, len(logged) + 1))
    assert sorted(ended(log)) == sorted(begun(log))
    assert (last["type"], last["reason"], last["segments"]) == (
        "call.ended",
        reason,
        len(begun(log)),
    )
    assert all(sum(one.values()) == last["duration_ms"] for one in last["channels"])


async def test_a_bridge_that_comes_back_to_another_gateway_goes_on_with_its_call(
    redis: Redis, tmp_path: Path
) -> None:
    half = len(AUDIO) // 2

    async with pipeline(redis, tmp_path, LengthTeller()) as it, gateway(redis) as other:
        async with calling(it.url, call_id="c1", resumable=True) as (bridge, heard):
            ready = await heard.until("ready")
            await stream(bridge, AUDIO[:half], frame=160, pace=20)
            await heard.until("segment.final")
            seen = max(event.get("seq", 0) for event in heard.events)
            reset(bridge)
        async with calling(other, call_id="c1", token=ready["token"], after=seen) as (
            bridge,
            later,
        ):
            position = (await later.until("ready"))["positions"][0]
            await stream(bridge, AUDIO[position:], frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            last = await later.until("call.ended")
        log = await whole_log(it.url, "c1")

    assert 0 < position <= half + 8_000
    assert_whole(log, "completed")
    assert last["duration_ms"] == len(AUDIO) // 8


async def test_a_token_that_was_not_given_out_opens_nothing(redis: Redis, tmp_path: Path) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, call_id="c1", resumable=True) as (bridge, heard):
            await heard.until("ready")
            async with calling(it.url, call_id="c1", token="guessed") as (thief, told):
                await thief.wait_closed()
            await stream(bridge, AUDIO[:16_000], frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")

    assert thief.close_code == 4400
    assert "no call in progress has this id and token" in told.events[0]["message"]
    assert_whole(heard_without_ready(heard), "completed")


def heard_without_ready(heard: Listener) -> Listener:
    return Listener([event for event in heard.events if event["type"] != "ready"])


async def test_a_second_connection_without_token_goes_on_with_the_log_and_the_numbers(
    redis: Redis, tmp_path: Path
) -> None:
    """Twilio opens a new stream for the same call; the text before it stays."""
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, call_id="c1") as (older, heard):
            await stream(older, AUDIO[: len(AUDIO) // 2], frame=160, pace=20)
            await heard.until("segment.final")
            async with calling(it.url, call_id="c1") as (newer, _):
                await stream(newer, AUDIO[len(AUDIO) // 2 :], frame=160, pace=20)
                await newer.send('{"type":"stop"}')
                log = await whole_log(it.url, "c1")

    assert len(log.of("call.started")) == 1
    assert_whole(log, "completed")


async def test_a_bridge_that_does_not_come_back_ends_its_call(redis: Redis, tmp_path: Path) -> None:
    patient = GatewaySettings(resume_seconds=6)

    async with pipeline(redis, tmp_path, LengthTeller(), gateway=patient) as it:
        async with calling(it.url, call_id="c1", resumable=True) as (bridge, heard):
            await stream(bridge, AUDIO[:24_000], frame=160, pace=20)
            await heard.until("speech.started")
            reset(bridge)
        log = await whole_log(it.url, "c1")

    assert_whole(log, "hangup")


async def test_a_gateway_that_stops_leaves_its_calls_to_another(
    redis: Redis, tmp_path: Path
) -> None:
    half = len(AUDIO) // 2

    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with AsyncExitStack() as leaving:
            url = await leaving.enter_async_context(gateway(redis))
            async with calling(url, call_id="c1", resumable=True) as (bridge, heard):
                token = (await heard.until("ready"))["token"]
                await stream(bridge, AUDIO[:half], frame=160, pace=20)
                await heard.until("segment.final")
                await leaving.aclose()
                await bridge.wait_closed()
                code = bridge.close_code
        async with calling(it.url, call_id="c1", token=token) as (bridge, later):
            position = (await later.until("ready"))["positions"][0]
            await stream(bridge, AUDIO[position:], frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            await later.until("call.ended")
        log = await whole_log(it.url, "c1")

    assert code == 1012
    assert position == half
    assert_whole(log, "completed")


@asynccontextmanager
async def call_registry(redis: Redis) -> AsyncIterator[tuple[CallRegistry, PubSubHub]]:
    """The calls of a gateway without the gateway: they get no heartbeat."""
    weights = silero_weights()
    assert weights is not None
    pubsub_hub = PubSubHub(redis)
    listening = asyncio.ensure_future(pubsub_hub.run())
    yield (
        CallRegistry(redis, 1, GatewaySettings(), VadBatcher(Silero(weights)), pubsub_hub),
        pubsub_hub,
    )
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_a_call_whose_gateway_died_is_brought_to_its_end_by_another(
    redis: Redis, tmp_path: Path
) -> None:
    told: list[Any] = []
    opened = CallOpened("c1", (Role.MIXED,))

    async with call_registry(redis) as (dying, pubsub_hub):
        live_call = await dying.open(opened, "c1", Native(Request("/v1/calls")), told.append)
        writing = asyncio.ensure_future(live_call.run())
        for start in range(0, len(SPEECH) - 20_000, 160):
            live_call.feed(AudioReceived(0, SPEECH[start : start + 160]))
            await asyncio.sleep(0)
        reader = LogReader(redis, pubsub_hub, dying.keys("c1"), after=0).entries()
        for _ in range(4):
            await anext(reader)
        writing.cancel()  # between two writes, with a segment open: as a kill does it
        with contextlib.suppress(asyncio.CancelledError):
            await writing
    async with pipeline(
        redis, tmp_path, LengthTeller(), gateway=GatewaySettings(lost_seconds=6)
    ) as it:
        log = await whole_log(it.url, "c1")
        stored = await stored_call(it.store, "c1")

    assert len(begun(log)) > 1
    assert_whole(log, "gateway lost")
    assert {str(one.segment) for one in stored.segments} == begun(log)
