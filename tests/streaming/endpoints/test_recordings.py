"""`POST /v1/listen` over real sockets, through the whole pipeline."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.http_client import http_client
from support.pipeline import pipeline
from support.ports import free_port
from support.waiting import PATIENCE

from broker.redis_keys import Partition
from cli.recording import read_recording
from protocol.audio import Encoding, encode
from streaming.settings import GatewaySettings
from transcripts.wer import word_errors
from workers.engines.base import Engine

SPEECH = Path(__file__).parent.parent.parent / "speech" / "prompts"
PROMPT, OTHER = SPEECH / "cannot-complete-as-dialed.wav", SPEECH / "conf-invalid.wav"
SAID = "Your call cannot be completed as dialed."
ALSO_SAID = "That is not a valid conference number. Please try again."
P0 = Partition(0)


@pytest.fixture
async def client(
    redis: Redis, tmp_path: Path, moonshine: Engine
) -> AsyncIterator[httpx.AsyncClient]:
    port = free_port()
    settings = GatewaySettings(http_port=port, drain_seconds=0)
    async with (
        pipeline(redis, tmp_path, moonshine, gateway=settings),
        http_client(base_url=f"http://127.0.0.1:{port}") as asking,
    ):
        yield asking


async def test_two_channels_of_raw_audio_come_back_apart(client: httpx.AsyncClient) -> None:
    left, right = (read_recording(path).channels[0] for path in (PROMPT, OTHER))
    both = np.zeros((max(len(left), len(right)), 2), np.int16)
    both[: len(left), 0], both[: len(right), 1] = left, right

    answer = await client.post(
        "/v1/listen",
        params={"encoding": "mulaw", "channels": 2, "multichannel": "true", "tag": "ci"},
        content=encode(both.reshape(-1), Encoding.MULAW),
    )

    assert answer.status_code == 200, answer.text
    body = answer.json()
    texts = [one["alternatives"][0]["transcript"] for one in body["results"]["channels"]]
    assert word_errors(SAID, texts[0]).rate <= 0.1
    assert word_errors(ALSO_SAID, texts[1]).rate <= 0.1
    assert (body["metadata"]["channels"], body["metadata"]["tags"]) == (2, ["ci"])
    assert body["metadata"]["duration"] == pytest.approx(len(both) / 8_000, abs=0.11)


@pytest.mark.parametrize(
    ("params", "content", "status", "complaint"),
    [
        ({}, b"ID3", 400, "send a WAV file"),
        ({"url": "https://example.com/a.wav"}, b"", 400, "url is not supported"),
        ({"encoding": "mulaw", "redact": "pii"}, b"\0" * 800, 400, "redact must be"),
        ({"encoding": "mulaw"}, b"\0" * (32 * 1024 * 1024 + 1), 413, "more than 33554432 bytes"),
    ],
)
async def test_what_cannot_be_transcribed_is_refused_in_deepgrams_form(
    redis: Redis,
    tmp_path: Path,
    params: dict[str, str],
    content: bytes,
    status: int,
    complaint: str,
) -> None:
    port = free_port()
    settings = GatewaySettings(http_port=port, drain_seconds=0)

    async with (
        pipeline(redis, tmp_path, None, gateway=settings),
        http_client() as asking,
    ):
        answer = await asking.post(
            f"http://127.0.0.1:{port}/v1/listen", params=params, content=content, timeout=PATIENCE
        )

    assert answer.status_code == status
    assert complaint in answer.json()["err_msg"]


async def test_a_recording_that_is_not_transcribed_in_time_gets_a_retry_answer(
    redis: Redis, tmp_path: Path
) -> None:
    port = free_port()
    settings = GatewaySettings(http_port=port, drain_seconds=0, hold_seconds=0.5)

    async with (
        pipeline(redis, tmp_path, None, gateway=settings),
        http_client() as asking,
    ):
        answer = await asking.post(
            f"http://127.0.0.1:{port}/v1/listen", content=PROMPT.read_bytes(), timeout=PATIENCE
        )

    assert answer.status_code == 503
    assert "retry-after" in answer.headers


async def test_no_more_recordings_are_taken_in_than_there_is_room_for(
    redis: Redis, tmp_path: Path
) -> None:
    port = free_port()
    settings = GatewaySettings(http_port=port, drain_seconds=0)
    url = f"http://127.0.0.1:{port}/v1/listen"
    silence = bytes(16_000 * 60)  # three seconds of playing

    async with (
        pipeline(redis, tmp_path, LengthTeller(), gateway=settings),
        http_client() as asking,
    ):
        answers = await asyncio.gather(
            *(asking.post(url, params={"encoding": "linear16"}, content=silence) for _ in range(6))
        )

    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [503] * 2


async def test_a_posted_recording_goes_into_the_stream_of_recordings(
    redis: Redis, tmp_path: Path
) -> None:
    port = free_port()
    settings = GatewaySettings(http_port=port, drain_seconds=0, hold_seconds=0.5)

    async with (
        pipeline(redis, tmp_path, None, gateway=settings),
        http_client() as asking,
    ):
        await asking.post(
            f"http://127.0.0.1:{port}/v1/listen", content=PROMPT.read_bytes(), timeout=PATIENCE
        )
        recorded, live = (
            await redis.xlen(P0.recordings_in("en-en")),
            await redis.xlen(P0.finals_in("en-en")),
        )

    assert (recorded, live) == (1, 0)
