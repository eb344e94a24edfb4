"""
Drafts of finals through the whole pipeline, with real speech, sockets and Valkey.

A draft is waited for in Redis before the silence goes on, so nothing here depends on how fast the machine is.
"""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import Event, Pipeline, calling, pipeline, reset, stream
from support.stored import stored_call
from support.valkey import ValkeyServer
from support.waiting import until
from websockets.asyncio.client import ClientConnection

from broker.redis_keys import CallKeys, Partition
from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, encode
from protocol.events import SegmentId
from streaming.settings import GatewaySettings
from workers.engines.base import Engine

PROMPT = sorted((Path(__file__).parent / "speech" / "prompts").glob("*.wav"))[0]
SETTINGS = GatewaySettings(drain_seconds=0, hangover_ms=600, draft_after_ms=160)
PAUSE = np.zeros(4_000, dtype=np.int16)
"""Half a second: a draft, but no end of the segment."""

LONG_PAUSE = np.zeros(8_000, dtype=np.int16)


def speech() -> Pcm:
    """A telephone prompt without the silence behind it."""
    pcm = read_recording(PROMPT).channels[0]
    return pcm[: int(np.flatnonzero(np.abs(pcm) > 500)[-1])]


async def send(bridge: ClientConnection, pcm: Pcm) -> None:
    await stream(bridge, encode(pcm, Encoding.MULAW), frame=160, pace=20)


async def draft_of(redis: Redis, call_id: str, number: int = 0) -> bytes:
    """Wait for a draft; returns the SHA-1 of its job."""
    keys = CallKeys(Partition(0), call_id)

    async def look() -> Any:
        return await redis.hget(keys.state(SegmentId(0, number)), "draft_of")

    return bytes(await until(look))


def without_times(final: Event) -> Event:
    return {name: final[name] for name in final if name not in ("seq", "latency", "call_id")}


async def final_by(it: Pipeline, redis: Redis, call_id: str, *, drafted: bool) -> Event:
    """The final of a prompt: with a draft, or after the draft has been removed from Redis."""
    async with calling(it.url, call_id=call_id, partials=False) as (bridge, heard):
        await send(bridge, np.concatenate([speech(), PAUSE]))
        await draft_of(redis, call_id)
        if not drafted:
            state = CallKeys(Partition(0), call_id).state(SegmentId(0, 0))
            await redis.hdel(state, "draft", "draft_of", "draft_ms")
        await send(bridge, LONG_PAUSE)
        final = await heard.until("segment.final")
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")
        assert len(heard.of("segment.final")) == 1
        return final


async def test_a_final_by_draft_is_the_final_that_it_would_be_without(
    redis: Redis, tmp_path: Path, moonshine: Engine
) -> None:
    metrics = CollectorRegistry()
    async with pipeline(redis, tmp_path, moonshine, gateway=SETTINGS, metrics=metrics) as it:
        by_draft = await final_by(it, redis, "by-draft", drafted=True)
        assert metrics.get_sample_value("trunkline_drafts_total", {"outcome": "used"}) == 1
        ordinary = await final_by(it, redis, "ordinary", drafted=False)

    assert metrics.get_sample_value("trunkline_drafts_total", {"outcome": "late"}) == 1
    assert by_draft["text"]
    assert all("c" in word for word in by_draft["words"])
    assert without_times(by_draft) == without_times(ordinary)


async def test_a_draft_is_withdrawn_when_speech_goes_on(redis: Redis, tmp_path: Path) -> None:
    metrics = CollectorRegistry()
    engine = LengthTeller()
    async with pipeline(redis, tmp_path, engine, gateway=SETTINGS, metrics=metrics) as it:
        async with calling(it.url, call_id="c1", partials=False) as (bridge, heard):
            await send(bridge, np.concatenate([speech(), PAUSE]))
            first = await draft_of(redis, "c1")
            await send(bridge, np.concatenate([speech(), PAUSE]))
            await until(lambda: is_replaced(redis, "c1", first))
            await send(bridge, LONG_PAUSE)
            await bridge.send('{"type":"stop"}')
            ended = await heard.until("call.ended")

    (final,) = heard.of("segment.final")
    seconds = 2 * len(speech()) / 8_000
    assert int(final["text"].split()[0]) > 10 * seconds
    assert metrics.get_sample_value("trunkline_drafts_total", {"outcome": "withdrawn"}) == 1
    assert metrics.get_sample_value("trunkline_drafts_total", {"outcome": "used"}) == 1
    assert metrics.get_sample_value("trunkline_draft_lost_seconds_total") is not None
    assert sum(ended["channels"][0].values()) == ended["duration_ms"]


async def is_replaced(redis: Redis, call_id: str, first: bytes) -> bool:
    return await draft_of(redis, call_id) != first


async def test_a_hang_up_in_a_pause_ends_the_segment_once(redis: Redis, tmp_path: Path) -> None:
    async with pipeline(redis, tmp_path, LengthTeller(), gateway=SETTINGS) as it:
        async with calling(it.url, call_id="c1") as (bridge, _):
            await send(bridge, np.concatenate([speech(), PAUSE]))
            await draft_of(redis, "c1")
            reset(bridge)
        stored = await stored_call(it.store, "c1")

    (segment,) = stored.segments
    assert segment.text


async def test_a_redis_that_loses_the_draft_costs_nothing(
    redis: Redis, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with (
        pipeline(redis, tmp_path, LengthTeller(), gateway=SETTINGS) as it,
        calling(it.url, call_id="c1", partials=False) as (bridge, heard),
    ):
        await send(bridge, np.concatenate([speech(), PAUSE]))
        await draft_of(redis, "c1")
        await asyncio.to_thread(valkey.kill)
        await asyncio.to_thread(valkey.start)
        await send(bridge, LONG_PAUSE)
        await bridge.send('{"type":"stop"}')
        ended = await heard.until("call.ended")

    assert len(heard.of("segment.final")) == 1
    assert ended["segments"] == 1
