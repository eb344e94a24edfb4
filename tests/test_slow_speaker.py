"""A speaker who pauses within a sentence, word for word: as a live call, as a recording, and in one process."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from redis.asyncio import Redis
from support.http_client import http_client
from support.pipeline import Pipeline, calling, pipeline, stream
from support.ports import free_port

from cli.offline import transcribe_recording
from cli.recording import read_recording
from protocol.audio import Encoding, encode
from streaming.settings import GatewaySettings
from transcripts.wer import word_errors
from workers.engines.base import Engine
from workers.engines.moonshine.sessions import is_exact

CPU = Path("/proc/cpuinfo")
FILE = Path(__file__).parent / "speech" / "read" / "jfk.wav"
SAID = (
    "and so my fellow americans ask not what your country can do for you "
    "ask what you can do for your country"
)


@dataclass(frozen=True, slots=True)
class Site:
    """A running pipeline and a client of its HTTP port."""

    pipeline: Pipeline
    client: httpx.AsyncClient


@pytest.fixture
async def site(redis: Redis, tmp_path: Path, moonshine: Engine) -> AsyncIterator[Site]:
    port = free_port()
    settings = GatewaySettings(http_port=port, drain_seconds=0)
    async with (
        pipeline(redis, tmp_path, moonshine, gateway=settings) as running,
        http_client(base_url=f"http://127.0.0.1:{port}", timeout=300) as client,
    ):
        yield Site(running, client)


def wrong(text: str) -> int:
    """Word errors of the text beyond those that are allowed: one on a processor with other roundings."""
    errors = word_errors(SAID, text)
    allowed = 0 if is_exact(CPU.read_text("utf-8") if CPU.is_file() else "") else 1
    return max(0, errors.substitutions + errors.deletions + errors.insertions - allowed)


async def test_a_live_call_hears_each_word_of_a_slow_speaker(site: Site) -> None:
    """Each pause ends a segment: "ask not" is one of its own."""
    audio = encode(read_recording(FILE).channels[0], Encoding.MULAW)

    async with calling(site.pipeline.url, partials=False) as (bridge, heard):
        await stream(
            bridge, audio + encode(np.zeros(8_000, np.int16), Encoding.MULAW), frame=160, pace=8
        )
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")

    assert len(heard.of("segment.final")) > 2
    assert not wrong(heard.text())


async def test_a_posted_recording_hears_each_word_of_a_slow_speaker(site: Site) -> None:
    files = {"file": ("jfk.wav", FILE.read_bytes())}
    openai = await site.client.post(
        "/v1/audio/transcriptions", files=files, data={"model": "whisper-1"}
    )
    deepgram = await site.client.post("/v1/listen", content=FILE.read_bytes())

    channel = deepgram.json()["results"]["channels"][0]
    assert not wrong(openai.json()["text"])
    assert not wrong(channel["alternatives"][0]["transcript"])


def test_the_command_transcribe_hears_each_word_of_a_slow_speaker(moonshine: Engine) -> None:
    found = transcribe_recording(read_recording(FILE).channels, moonshine)

    assert not wrong(" ".join(one.text for one in found.segments))
