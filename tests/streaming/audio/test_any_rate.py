"""Audio at other rates than 8 kHz, through the whole pipeline: nothing is lost, and the clock is exact."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import soxr
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import calling, pipeline, stream

from cli.recording import read_recording
from protocol.audio import Pcm

PROMPTS = sorted((Path(__file__).parents[2] / "speech" / "prompts").glob("*.wav"))


def speech(rate: int) -> Pcm:
    silence = np.zeros(8_000, dtype=np.int16)
    parts = [part for path in PROMPTS[:2] for part in (read_recording(path).channels[0], silence)]
    spoken = np.concatenate(parts)
    resampled: Pcm = soxr.resample(spoken[: len(spoken) // 8_000 * 8_000], 8_000, rate)
    return resampled


@pytest.mark.parametrize("rate", [11_025, 44_100])
async def test_a_call_at_any_rate_is_as_long_as_its_audio(
    rate: int, redis: Redis, tmp_path: Path
) -> None:
    pcm = speech(rate)

    async with (
        pipeline(redis, tmp_path, LengthTeller()) as it,
        calling(it.url, encoding="l16", sample_rate=rate) as (bridge, heard),
    ):
        await stream(bridge, pcm.tobytes(), frame=1_001, pace=30)
        await bridge.send('{"type":"stop"}')
        ended = await heard.until("call.ended")

    assert ended["duration_ms"] == 1_000 * len(pcm) // rate
    assert sum(ended["channels"][0].values()) == ended["duration_ms"]
    assert len(heard.of("segment.final")) == ended["segments"] >= 2
    assert heard.of("line_warning") == []


async def test_what_is_missing_is_missing_at_its_place(redis: Redis, tmp_path: Path) -> None:
    rate, frame = 48_000, np.zeros(4_800, dtype=np.int16)
    payload = base64.b64encode(frame.tobytes()).decode()

    async with (
        pipeline(redis, tmp_path, LengthTeller()) as it,
        calling(it.url, encoding="l16", sample_rate=rate) as (bridge, heard),
    ):
        for position in [0, 4_800, 5 * 4_800, *(n * 4_800 for n in range(6, 12))]:
            audio = {"type": "audio", "channel": 0, "position": position, "payload": payload}
            await bridge.send(json.dumps(audio))
        await bridge.send('{"type":"stop"}')
        ended = await heard.until("call.ended")

    (gap,) = heard.of("audio_gap")
    assert (gap["start_ms"], gap["end_ms"]) == (200, 500)
    assert ended["duration_ms"] == 1_200
    assert ended["channels"][0]["lost_upstream_ms"] == 300
