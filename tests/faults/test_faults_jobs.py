"""
A background job whose gateway is killed, stopped or replaced is continued by another gateway, with one result.

Gateways in their own processes, a real Valkey; the worker and the recorder in this process.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from redis.asyncio import Redis
from support.containers import packed
from support.engines import LengthTeller
from support.gateways import gateway_process
from support.http_client import http_client
from support.pipeline import pipeline
from support.ports import free_port
from support.receiver import receiving
from support.spoken_calls import PAUSE, PROMPTS
from support.stored import stored_call
from support.valkey import ValkeyServer
from support.waiting import until

from broker.job_store import JobStore, KeptJob, NoMemoryError
from broker.recording_jobs import JobStatus, RecordingJob, read_job, write_job
from broker.redis_keys import CallKeys, DeliveryKeys
from cli.recording import read_recording
from protocol.audio import Pcm
from protocol.auth.credentials import EVERYTHING
from protocol.dialects.openai.transcriptions import Wanted
from streaming.endpoints.jobs.job_spec import JobSpec, written_spec
from streaming.settings import GatewaySettings
from transcripts.transcript import Transcript

JOBS = DeliveryKeys("recordings")
KEYS = CallKeys.of("long", 1)


def speech(*numbers: int) -> Pcm:
    parts = [part for one in numbers for part in (read_recording(PROMPTS[one]).channels[0], PAUSE)]
    return np.concatenate(parts)


def both_sides() -> Pcm:
    """Two people who speak at different times, int16 `[n, 2]`."""
    left, right = speech(0, 1, 2, 3, 4, 5), np.roll(speech(5, 4, 3, 2, 1, 0), 20_000)
    return np.stack([left, right[: len(left)]], axis=1)


@dataclass(frozen=True)
class RunningGateway:
    """A gateway in a process of its own, with a client of its HTTP port."""

    client: httpx.AsyncClient
    process: asyncio.subprocess.Process

    async def job(self) -> dict[str, object]:
        answer = await self.client.get("/v1/jobs/long")
        found: dict[str, object] = answer.json()
        return found | {"http": answer.status_code}

    async def until_over(self) -> dict[str, object]:
        async def over() -> dict[str, object] | None:
            job = await self.job()
            return None if job.get("status") == "running" else job

        return await until(over)


@asynccontextmanager
async def gateway(valkey: ValkeyServer, **settings: str) -> AsyncIterator[RunningGateway]:
    port = free_port()
    settings = {
        "TRUNKLINE_GATEWAY_HTTP_PORT": str(port),
        "TRUNKLINE_GATEWAY_AUDIO_PACE": "6",
        "TRUNKLINE_GATEWAY_DRAIN_SECONDS": "0",
        "TRUNKLINE_GATEWAY_CPU_LIMIT": "1",
        "TRUNKLINE_GATEWAY_CALLBACK_NETWORKS": "127.0.0.1",
        **settings,
    }
    async with (
        gateway_process(valkey, **settings) as running,
        http_client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        yield RunningGateway(client, running.running)


async def post(gateway: RunningGateway, content: bytes) -> None:
    answer = await gateway.client.post(
        "/v1/audio/transcriptions",
        files={"file": ("call.wav", content)},
        data={"background": "true", "call_id": "long"},
    )
    assert answer.status_code == 202, answer.text


async def some_finals(redis: Redis, count: int = 2) -> None:
    """Wait until some finals are in the event log: the job is in the middle."""

    async def are_there() -> bool:
        entries: Any = await redis.xrange(KEYS.log)
        return sum(b"tenths" in fields[b"e"] for _, fields in entries) >= count

    await until(are_there)


async def until_forgotten(redis: Redis) -> None:
    """A gateway forgets a job after it has told its end."""

    async def is_forgotten() -> bool:
        return not await redis.exists(KEYS.content, JOBS.due, JOBS.waiting)

    await until(is_forgotten)


async def expire_claims(redis: Redis) -> None:
    """The time for which the dead gateway has claimed its jobs is over."""
    names: Any = await redis.zrange(JOBS.due, 0, -1)
    await redis.zadd(JOBS.due, dict.fromkeys(names, 0))


def assert_once(stored: Transcript, pcm: Pcm) -> None:
    """Every part of the recording is in one account of its channel, and no speech is there twice."""
    for channel, totals in enumerate(stored.call.channels):
        found = [one.span for one in stored.segments if one.segment.channel == channel]
        spans = sorted(found, key=lambda span: span.start)
        assert all(a.end <= b.start for a, b in pairwise(spans)), spans
        assert len(spans) >= 3
        assert (totals.lost_upstream, totals.shed, totals.paused) == (0, 0, 0)
        assert abs(totals.transcribed + totals.silence - len(pcm)) <= 8


async def test_a_killed_gateway_starts_again_and_continues_its_job(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    pcm = both_sides()
    content = packed(pcm, "wav", "stereo")
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with gateway(valkey) as first:
            await post(first, content)
            await some_finals(redis)
            first.process.kill()
            await first.process.wait()
            before = await read_job(redis, KEYS)
        await expire_claims(redis)
        async with gateway(valkey) as again:
            job = await again.until_over()
            await until_forgotten(redis)
        stored = await stored_call(it.store, "long")

    assert before is not None
    assert before.status is JobStatus.RUNNING
    assert (job["status"], job["call_id"]) == ("done", "long")
    assert stored.call.ended_reason == "completed"
    assert_once(stored, pcm)
    assert [one.call_id for one in it.store.calls()] == ["long"]


async def test_a_job_of_a_stopped_gateway_is_continued_by_another(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    pcm = both_sides()
    async with (
        pipeline(redis, tmp_path, LengthTeller()) as it,
        gateway(valkey) as first,
        gateway(valkey) as second,
    ):
        await post(first, packed(pcm, "wav", "stereo"))
        await some_finals(redis)
        first.process.terminate()
        await first.process.wait()
        job = await second.until_over()
        stored = await stored_call(it.store, "long")

    assert job["status"] == "done"
    assert_once(stored, pcm)
    assert abs(int(str(job["played_ms"])) - len(pcm) // 8) <= 200


@pytest.mark.long
async def test_the_whole_result_is_called_back_once_by_the_gateway_that_continues(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    async with receiving() as receiver, pipeline(redis, tmp_path, LengthTeller()) as it:
        async with gateway(valkey) as first:
            answer = await first.client.post(
                "/v1/listen",
                params={"callback": f"http://127.0.0.1:{receiver.port}/x", "call_id": "long"},
                content=packed(speech(0, 1, 2, 3, 4, 5), "wav"),
            )
            await some_finals(redis)
            first.process.kill()
            await first.process.wait()
        await expire_claims(redis)
        async with gateway(valkey) as again:
            (told,) = await receiver.until(1)
            job = await again.until_over()
        stored = await stored_call(it.store, "long")

    said = json.loads(told.body)
    assert answer.json() == {"request_id": "long"}
    assert job["status"] == "done"
    assert said["metadata"]["request_id"] == "long"
    (channel,) = said["results"]["channels"]
    assert channel["alternatives"][0]["transcript"] == stored.text_of(0)
    assert len(receiver.requests) == 1


@pytest.fixture
def kept() -> KeptJob:
    spec = JobSpec("long", EVERYTHING, wanted=Wanted(call_id="long"))
    return KeptJob("long", written_spec(spec))


@asynccontextmanager
async def watching(redis: Redis, folder: Path) -> AsyncIterator[None]:
    """A gateway in this process that looks for jobs, with a worker."""
    settings = GatewaySettings(http_port=free_port(), drain_seconds=0)
    async with pipeline(redis, folder, LengthTeller(), gateway=settings):
        yield


async def over(redis: Redis) -> RecordingJob:
    async def result() -> RecordingJob | None:
        job = await read_job(redis, KEYS)
        return None if job is None or job.status is JobStatus.RUNNING else job

    return await until(result)


async def test_a_job_whose_content_redis_has_lost_is_told_as_failed(
    redis: Redis, tmp_path: Path, kept: KeptJob
) -> None:
    store = JobStore(redis, 1, lease_seconds=5, memory_share=1)
    await store.put(kept, b"RIFF")
    await write_job(redis, KEYS, RecordingJob(JobStatus.RUNNING))
    await redis.delete(KEYS.content)
    await expire_claims(redis)

    async with watching(redis, tmp_path):
        job = await over(redis)

    assert (job.status, "send the recording again" in job.error) == (JobStatus.FAILED, True)


async def test_a_job_that_kills_its_gateways_is_told_as_failed(
    redis: Redis, tmp_path: Path
) -> None:
    spec = JobSpec("long", EVERYTHING, wanted=Wanted(call_id="long"), deaths=3)
    store = JobStore(redis, 1, lease_seconds=5, memory_share=1)
    await store.put(KeptJob("long", written_spec(spec)), packed(speech(0), "wav"))
    await write_job(redis, KEYS, RecordingJob(JobStatus.RUNNING))
    await expire_claims(redis)

    async with watching(redis, tmp_path):
        job = await over(redis)

    assert (job.status, "another format" in job.error) == (JobStatus.FAILED, True)


@pytest.mark.long
async def test_a_job_whose_gateway_died_after_the_call_is_told_as_done(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    """The call has ended in Redis, and nobody has been told."""
    async with pipeline(redis, tmp_path, LengthTeller()) as it, gateway(valkey) as first:
        await post(first, packed(speech(0), "wav"))
        await first.until_over()
        await stored_call(it.store, "long")
        spec = JobSpec("long", EVERYTHING, wanted=Wanted(call_id="long"))
        store = JobStore(redis, 1, lease_seconds=5, memory_share=1)
        await write_job(redis, KEYS, RecordingJob(JobStatus.RUNNING))
        await store.put(KeptJob("long", written_spec(spec)), packed(speech(0), "wav"))
        await expire_claims(redis)
        job = await over(redis)

    assert job.status is JobStatus.DONE
    assert job.played_ms > 1_000
    assert [one.call_id for one in it.store.calls()] == ["long"]


@pytest.mark.long
async def test_a_second_job_with_the_id_of_a_running_one_is_refused(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    async with pipeline(redis, tmp_path, None), gateway(valkey) as first:
        content = packed(speech(0), "wav")
        await post(first, content)
        again = await first.client.post(
            "/v1/audio/transcriptions",
            files={"file": ("call.wav", content)},
            data={"background": "true", "call_id": "long"},
        )

    assert again.status_code == 409
    assert "in progress" in again.json()["error"]["message"]


async def test_a_recording_for_which_redis_has_no_memory_is_refused(
    redis: Redis, kept: KeptJob
) -> None:
    await redis.config_set("maxmemory", "100mb")
    store = JobStore(redis, 1, lease_seconds=5, memory_share=0.5)

    with pytest.raises(NoMemoryError):
        await store.put(kept, bytes(60_000_000))
    await store.put(kept, bytes(1_500_000))

    assert await store.content(kept) == bytes(1_500_000)
