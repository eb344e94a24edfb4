"""
Segments that wait because their draft is doubtful, through the whole pipeline: sockets, Valkey, gateway, worker.

The speech goes on only when the gateway has told that the segment waits, or has a draft: no test depends on time.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from support.drafted_calls import PATIENT, RETRY_SECONDS, DraftedCall, send, speech
from support.engines import LengthTeller
from support.pipeline import Event, Pipeline, calling, pipeline, reset
from support.stored import stored_call
from support.waiting import until_true

from broker.redis_keys import CallKeys, Partition
from streaming.settings import GatewaySettings
from workers.engines.base import Hypothesis, Utterance

ROOT = Path(__file__).parent.parent
SETTINGS = GatewaySettings(
    drain_seconds=0,
    hangover_ms=600,
    doubtful_hangover_ms=3_000,
    draft_after_ms=160,
    max_segment_ms=14_000,
    redaction_policy=ROOT / "bench" / "no_redaction.toml",  # lengths may be security codes
)
IN_DRAFT = np.zeros(4_000, dtype=np.int16)
"""Half a second: a draft, but no end of the segment."""

BEYOND = np.zeros(8_000, dtype=np.int16)
"""A second: with the half before longer than the hang-over, shorter than that of a doubtful segment."""


class Doubter(LengthTeller):
    """Recognises the length of the audio; the last word has the given probability."""

    def __init__(self, confidence: float) -> None:
        super().__init__()
        self._confidence = confidence
        self.capabilities = replace(self.capabilities, confidence="calibrated-probability")

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """Return the length of each utterance, as words."""
        return [
            Hypothesis(tuple(replace(word, confidence=self._confidence) for word in one.words))
            for one in super().transcribe(batch)
        ]


def waited(metrics: CollectorRegistry) -> float:
    return metrics.get_sample_value("trunkline_doubtful_drafts_total") or 0.0


def tenths(final: Event) -> int:
    return int(final["text"].split()[0])


@asynccontextmanager
async def waiting(
    it: Pipeline, metrics: CollectorRegistry, name: str = "c", **start: object
) -> AsyncIterator[DraftedCall]:
    """A call whose only segment waits.  A worker that is late for a moment makes no draft: call again."""
    for attempt in count():
        call_id, before = f"{name}{attempt}", waited(metrics)
        async with calling(it.url, call_id=call_id, partials=False, **start) as (bridge, heard):
            await send(bridge, np.concatenate([speech(), IN_DRAFT]))
            try:
                async with asyncio.timeout(RETRY_SECONDS):
                    await until_true(lambda: waited(metrics) > before)  # noqa: B023
            except TimeoutError:
                continue
            yield DraftedCall(call_id, bridge, heard)
            return


async def test_a_doubtful_segment_waits_and_goes_on(redis: Redis, tmp_path: Path) -> None:
    metrics = CollectorRegistry()
    async with (
        pipeline(
            redis, tmp_path, Doubter(0.5), gateway=SETTINGS, worker=PATIENT, metrics=metrics
        ) as it,
        waiting(it, metrics) as call,
    ):
        await send(call.bridge, np.concatenate([BEYOND, speech()]))
        ended = await call.end()

    (final,) = call.heard.of("segment.final")
    assert tenths(final) > 10 * (2 * len(speech()) + len(BEYOND)) / 8_000
    assert sum(ended["channels"][0].values()) == ended["duration_ms"]


async def test_a_doubtful_segment_ends_without_more_speech(redis: Redis, tmp_path: Path) -> None:
    metrics = CollectorRegistry()
    async with (
        pipeline(
            redis, tmp_path, Doubter(0.5), gateway=SETTINGS, worker=PATIENT, metrics=metrics
        ) as it,
        waiting(it, metrics) as call,
    ):
        await send(call.bridge, np.concatenate([BEYOND] * 4))
        final = await call.heard.until("segment.final")
        await call.end()

    assert tenths(final) < 10 * (len(speech()) + len(IN_DRAFT)) / 8_000
    assert len(call.heard.of("segment.final")) == 1


async def test_a_hang_up_ends_the_wait(redis: Redis, tmp_path: Path) -> None:
    metrics = CollectorRegistry()
    async with pipeline(
        redis, tmp_path, Doubter(0.5), gateway=SETTINGS, worker=PATIENT, metrics=metrics
    ) as it:
        async with waiting(it, metrics) as call:
            reset(call.bridge)
        stored = await stored_call(it.store, call.call_id)

    (segment,) = stored.segments
    assert segment.text


@pytest.mark.parametrize(
    ("confidence", "start", "settings"),
    [
        (0.99, {}, SETTINGS),
        (0.5, {"endpointing_ms": 600}, SETTINGS),
        (0.5, {}, SETTINGS.model_copy(update={"doubtful_hangover_ms": 0})),
    ],
    ids=["sure", "the call has a hang-over of its own", "switched off"],
)
async def test_other_segments_end_at_the_hangover(
    redis: Redis,
    tmp_path: Path,
    confidence: float,
    start: dict[str, object],
    settings: GatewaySettings,
) -> None:
    metrics = CollectorRegistry()
    async with (
        pipeline(
            redis, tmp_path, Doubter(confidence), gateway=settings, worker=PATIENT, metrics=metrics
        ) as it,
        calling(it.url, call_id="c", partials=False, **start) as (bridge, heard),
    ):
        await send(bridge, np.concatenate([speech(), IN_DRAFT, BEYOND, speech()]))
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")

    assert len(heard.of("segment.final")) == 2
    assert waited(metrics) == 0


async def test_a_message_about_another_log_or_channel_is_ignored(
    redis: Redis, tmp_path: Path
) -> None:
    metrics = CollectorRegistry()
    async with (
        pipeline(
            redis, tmp_path, Doubter(0.99), gateway=SETTINGS, worker=PATIENT, metrics=metrics
        ) as it,
        calling(it.url, call_id="c", partials=False) as (bridge, heard),
    ):
        await send(bridge, np.concatenate([speech(), IN_DRAFT]))
        await heard.until("speech.started")
        keys = CallKeys(Partition(0), "c")
        name: Any = await redis.hget(keys.meta, "log")
        log = name.decode()
        for message in (b"?", b"? a b", b"? x 0-0 160", f"? {log} 7-0 160", f"? {log} 0-0 no"):
            await redis.publish(keys.live, message)
        await send(bridge, np.concatenate([BEYOND, speech()]))
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")

    assert len(heard.of("segment.final")) == 2
    assert waited(metrics) == 0
