"""
Drafts of finals through the whole pipeline, with real speech, sockets and Valkey.

A draft is waited for in Redis before the silence goes on, so nothing here depends on how fast the machine is.  A
gateway or worker that is late for a moment makes no draft: then the test calls again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from support.drafted_calls import PATIENT, RETRY_SECONDS, DraftedCall, send, speech
from support.engines import LengthTeller
from support.pipeline import Event, Pipeline, calling, pipeline, reset
from support.stored import stored_call
from support.valkey import ValkeyServer
from support.waiting import until

from broker.redis_keys import CallKeys, Partition
from protocol.events import SegmentId
from streaming.settings import GatewaySettings
from workers.engines.base import Engine

ROOT = Path(__file__).parent.parent
SETTINGS = GatewaySettings(
    drain_seconds=0,
    hangover_ms=600,
    draft_after_ms=160,
    redaction_policy=ROOT / "bench" / "no_redaction.toml",  # lengths may be security codes
)
PAUSE = np.zeros(4_000, dtype=np.int16)
"""Half a second: a draft, but no end of the segment."""

LONG_PAUSE = np.zeros(8_000, dtype=np.int16)


async def draft_of(redis: Redis, call_id: str, besides: bytes = b"") -> bytes:
    """Wait a while for another draft than `besides`; returns the SHA-1 of its job, empty if there is none."""
    state = CallKeys(Partition(0), call_id).state(SegmentId(0, 0))

    async def look() -> Any:
        found: Any = await redis.hget(state, "draft_of")
        return found if found != besides else None

    try:
        async with asyncio.timeout(RETRY_SECONDS):
            return bytes(await until(look))
    except TimeoutError:
        return b""


@dataclass(frozen=True)
class PausedCall(DraftedCall):
    """A call whose only segment is in a pause, and has a draft."""

    draft: bytes


@asynccontextmanager
async def in_a_pause(it: Pipeline, redis: Redis, name: str = "c") -> AsyncIterator[PausedCall]:
    for attempt in count():
        call_id = f"{name}{attempt}"
        async with calling(it.url, call_id=call_id, partials=False) as (bridge, heard):
            await send(bridge, np.concatenate([speech(), PAUSE]))
            if draft := await draft_of(redis, call_id):
                yield PausedCall(call_id, bridge, heard, draft)
                return


def drafts(metrics: CollectorRegistry, outcome: str) -> float:
    return metrics.get_sample_value("trunkline_drafts_total", {"outcome": outcome}) or 0.0


def without_times(final: Event) -> Event:
    return {name: final[name] for name in final if name not in ("seq", "latency", "call_id")}


async def final_by(it: Pipeline, redis: Redis, name: str, *, drafted: bool) -> Event:
    """The final of a prompt: with a draft, or after the draft has been removed from Redis."""
    async with in_a_pause(it, redis, name) as call:
        if not drafted:
            state = CallKeys(Partition(0), call.call_id).state(SegmentId(0, 0))
            await redis.hdel(state, "draft", "draft_of", "draft_ms")
        await send(call.bridge, LONG_PAUSE)
        final = await call.heard.until("segment.final")
        await call.end()
        assert len(call.heard.of("segment.final")) == 1
        return final


async def test_a_final_by_draft_is_the_final_that_it_would_be_without(
    redis: Redis, tmp_path: Path, moonshine: Engine
) -> None:
    metrics = CollectorRegistry()
    async with pipeline(
        redis, tmp_path, moonshine, gateway=SETTINGS, worker=PATIENT, metrics=metrics
    ) as it:
        by_draft = await final_by(it, redis, "by-draft", drafted=True)
        used = drafts(metrics, "used")
        ordinary = await final_by(it, redis, "ordinary", drafted=False)
        late = drafts(metrics, "late")

    assert used >= 1
    assert late >= 1
    assert by_draft["text"]
    assert all("c" in word for word in by_draft["words"])
    assert without_times(by_draft) == without_times(ordinary)


async def test_a_draft_is_withdrawn_when_speech_goes_on(redis: Redis, tmp_path: Path) -> None:
    metrics = CollectorRegistry()
    async with (
        pipeline(
            redis, tmp_path, LengthTeller(), gateway=SETTINGS, worker=PATIENT, metrics=metrics
        ) as it,
        in_a_pause(it, redis) as call,
    ):
        await send(call.bridge, np.concatenate([speech(), PAUSE]))
        replaced = await draft_of(redis, call.call_id, besides=call.draft)
        await send(call.bridge, LONG_PAUSE)
        ended = await call.end()

    (final,) = call.heard.of("segment.final")
    assert int(final["text"].split()[0]) > 10 * 2 * len(speech()) / 8_000
    assert drafts(metrics, "withdrawn") >= 1
    assert drafts(metrics, "used") >= bool(replaced)
    assert metrics.get_sample_value("trunkline_draft_lost_seconds_total") is not None
    assert sum(ended["channels"][0].values()) == ended["duration_ms"]


async def test_a_hang_up_in_a_pause_ends_the_segment_once(redis: Redis, tmp_path: Path) -> None:
    async with pipeline(redis, tmp_path, LengthTeller(), gateway=SETTINGS, worker=PATIENT) as it:
        async with in_a_pause(it, redis) as call:
            reset(call.bridge)
        stored = await stored_call(it.store, call.call_id)

    (segment,) = stored.segments
    assert segment.text


async def test_a_redis_that_loses_the_draft_costs_nothing(
    redis: Redis, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with (
        pipeline(redis, tmp_path, LengthTeller(), gateway=SETTINGS, worker=PATIENT) as it,
        in_a_pause(it, redis) as call,
    ):
        await asyncio.to_thread(valkey.kill)
        await asyncio.to_thread(valkey.start)
        await send(call.bridge, LONG_PAUSE)
        ended = await call.end()

    assert len(call.heard.of("segment.final")) == 1
    assert ended["segments"] == 1
