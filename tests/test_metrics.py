"""Metrics of the whole pipeline after a call, and content that they must never have."""

import asyncio
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import calling, pipeline, stream
from support.stored import stored_call
from support.waiting import PATIENCE
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from cli import keys
from cli.recording import read_recording
from protocol.audio import Encoding, encode
from protocol.auth.credentials import Scope
from runtime.group_status import merged
from runtime.metrics import LoopMeter, QueueMeter
from streaming.metrics import GatewayMeter
from streaming.settings import GatewaySettings
from transcripts.analysis.metrics import AnalyserMeter
from transcripts.api.metrics import ApiMeter
from transcripts.metrics import RecorderMeter
from transcripts.webhooks.meter import WebhookMeter
from workers.metrics import WorkerMeter
from workers.settings import WorkerSettings

PROMPTS = sorted((Path(__file__).parent / "speech" / "prompts").glob("*.wav"))[:2]
SILENCE = np.zeros(8_000, dtype=np.int16)
AUDIO = np.concatenate([part for path in PROMPTS for part in (read_recording(path).channels[0], SILENCE)])  # fmt: skip


async def get(url: str) -> tuple[int, str]:
    def ask() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(url.replace("ws:", "http:"), timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    return await asyncio.to_thread(ask)


async def after_a_call(redis: Redis, folder: Path, engine: LengthTeller) -> CollectorRegistry:
    """The metrics of gateway, worker and recorder when a call has ended and is stored."""
    metrics = CollectorRegistry()
    async with pipeline(redis, folder, engine, metrics=metrics) as it:
        start = {"call_id": "441632960961", "keywords": ["Acme", "Priya"]}
        async with calling(it.url, **start) as (bridge, heard):
            await stream(bridge, encode(AUDIO, Encoding.MULAW), frame=160, pace=8)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
        await stored_call(it.store, "441632960961")
    return metrics


def value(metrics: CollectorRegistry, name: str, **labels: str) -> float:
    found = metrics.get_sample_value(f"trunkline_{name}", labels)
    assert found is not None, f"{name} {labels} is not told"
    return found


async def test_a_call_is_counted_by_all_parts(redis: Redis, tmp_path: Path) -> None:
    metrics = await after_a_call(redis, tmp_path, LengthTeller())

    finals = value(metrics, "segments_total", outcome="final")
    assert finals >= 2
    assert value(metrics, "calls_total", dialect="native", how="begun") == 1
    assert value(metrics, "final_latency_seconds_count") == finals
    assert value(metrics, "partial_latency_seconds_count") >= 1
    by_draft = metrics.get_sample_value("trunkline_drafts_total", {"outcome": "used"}) or 0
    settled = metrics.get_sample_value("trunkline_results_total", {"outcome": "recorded"}) or 0
    queued = metrics.get_sample_value("trunkline_queue_seconds_count", {"lane": "finals"}) or 0
    assert by_draft + settled == by_draft + queued == finals
    assert value(metrics, "batch_segments_count") >= 1
    assert value(metrics, "stored_events_total") >= finals + 2
    assert value(metrics, "unsettled_segments") == value(metrics, "held_audio_bytes") == 0


async def test_the_audio_of_a_call_is_accounted_for_in_the_metrics(
    redis: Redis, tmp_path: Path
) -> None:
    metrics = await after_a_call(redis, tmp_path, LengthTeller())

    buckets = ("transcribed", "silence", "paused", "lost_upstream", "shed", "withheld")
    seconds = sum(value(metrics, "audio_seconds_total", bucket=bucket) for bucket in buckets)
    assert seconds == pytest.approx(len(AUDIO) / 8_000, abs=0.02)
    assert value(metrics, "audio_bytes_total") == 2 * len(AUDIO)


async def test_no_figure_names_a_call_a_number_or_a_word(redis: Redis, tmp_path: Path) -> None:
    metrics = await after_a_call(redis, tmp_path, LengthTeller())

    text = generate_latest(metrics).decode()
    labels = set(re.findall(r"(\w+)=\"", text))
    assert labels == {"dialect", "how", "outcome", "bucket", "lane", "le"}
    assert not re.search(r"441632960961|Acme|Priya|tenths", text)


async def test_what_the_engine_fails_on_is_a_dead_letter(redis: Redis, tmp_path: Path) -> None:
    metrics = await after_a_call(redis, tmp_path, LengthTeller(fault=lambda _: True))

    failed = value(metrics, "segments_total", outcome="failed")
    assert failed >= 2
    assert value(metrics, "dead_letters_total") == failed


async def test_a_refused_connection_is_counted_by_its_reason(redis: Redis, tmp_path: Path) -> None:
    metrics = CollectorRegistry()
    settings = GatewaySettings(max_calls=1, drain_seconds=0)

    async with pipeline(redis, tmp_path, None, gateway=settings, metrics=metrics) as it:
        await get(f"{it.url}/v2/elsewhere/+441632960961")
        async with connect(f"{it.url}/v1/calls"):
            with pytest.raises(InvalidStatus):
                await connect(f"{it.url}/v1/calls")
            full = await get(f"{it.url}/readyz")

    assert full == (503, "this gateway has reached max_calls\n")
    assert value(metrics, "connections_rejected_total", reason="no_such_path") == 1
    assert value(metrics, "connections_rejected_total", reason="full") == 1
    assert "441632960961" not in generate_latest(metrics).decode()


async def test_a_stranger_is_counted_as_one(redis: Redis, tmp_path: Path) -> None:
    metrics, keys_file = CollectorRegistry(), tmp_path / "keys.json"
    keys.create(keys_file, owner="acme", scopes=(Scope.INGEST,), days=None, note="", now=0.0)
    settings = GatewaySettings(keys_file=str(keys_file), drain_seconds=0)

    async with pipeline(redis, tmp_path, None, gateway=settings, metrics=metrics) as it:
        with pytest.raises(InvalidStatus):
            await connect(f"{it.url}/v1/calls")

    assert value(metrics, "connections_rejected_total", reason="unauthorized") == 1
    assert value(metrics, "degrade_level") == 0


async def test_calls_in_progress_are_counted_while_they_last(redis: Redis, tmp_path: Path) -> None:
    metrics = CollectorRegistry()

    async with pipeline(redis, tmp_path, LengthTeller(), metrics=metrics) as it:
        before = value(metrics, "active_calls")
        async with calling(it.url, call_id="one") as (bridge, heard):
            await heard.until("call.started")
            during = value(metrics, "active_calls")
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
            await bridge.wait_closed()
        while value(metrics, "active_calls"):
            await redis.ping()

    assert (before, during) == (0, 1)


async def test_the_gateway_answers_orchestrators_on_its_own_port(
    redis: Redis, tmp_path: Path
) -> None:
    async with pipeline(redis, tmp_path, None) as it:
        answers = [await get(f"{it.url}{path}") for path in ("/livez", "/startupz", "/readyz")]
        metrics = await get(f"{it.url}/metrics")

    assert answers == [(200, "alive\n"), (200, "started\n"), (200, "ready\n")]
    assert metrics[0] == 404  # they have a port of their own


async def test_a_worker_that_takes_over_says_so(redis: Redis, tmp_path: Path) -> None:
    """A final that another worker left in its hands is one that was retried."""
    from broker.redis_keys import WORKERS, Partition

    metrics = CollectorRegistry()
    quick = WorkerSettings(lease_ms=500)
    async with pipeline(redis, tmp_path, None, metrics=metrics) as it:
        async with calling(it.url, call_id="left") as (bridge, heard):
            await stream(bridge, encode(AUDIO, Encoding.MULAW), frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            job_stream = Partition(0).finals_in("en-en")
            await redis.xgroup_create(job_stream, WORKERS, id="0", mkstream=True)
            left = 0
            while not left:
                taken: Any = await redis.xreadgroup(
                    WORKERS, "dead", {job_stream: ">"}, count=64, block=100
                )
                left = sum(len(entries) for _, entries in taken or ())
            (tmp_path / "second").mkdir()
            async with pipeline(redis, tmp_path / "second", LengthTeller(), worker=quick, metrics=(second := CollectorRegistry())):  # fmt: skip
                await heard.until("call.ended")

    assert value(second, "segments_retried_total") >= left


def test_every_figure_has_its_place_in_the_documents_and_no_other_is_named_there() -> None:
    metrics = CollectorRegistry()
    meters = (GatewayMeter, WorkerMeter, RecorderMeter, WebhookMeter, ApiMeter, AnalyserMeter)
    for meter in meters:
        meter(metrics)
    LoopMeter(metrics)
    QueueMeter(metrics, [])
    told = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in metrics.collect()
    }

    told |= {family.name for family in text_string_to_metric_families(merged([None]))}

    page = (Path(__file__).parent.parent / "docs" / "operations.md").read_text()

    named = {name.removesuffix("_bucket") for name in re.findall(r"trunkline_[a-z_]+", page)}
    assert named == told
