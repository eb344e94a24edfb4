"""Unusual messages, over real sockets: minutes of audio, or control messages in a binary frame."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import pipeline
from support.waiting import PATIENCE
from websockets.asyncio.client import ClientConnection, connect

from cli.recording import read_recording

SPEECH = read_recording(
    Path(__file__).parents[2] / "speech" / "prompts" / "conf-invalid.wav"
).channels[0]
OPENAI = {"type": "session.update", "session": {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 8000}, "turn_detection": None}}}}  # fmt: skip

CLIENTS: dict[str, tuple[str, list[str], str, str]] = {
    "deepgram": (
        "/v1/listen?" + urlencode({"encoding": "linear16", "sample_rate": 8000}),
        [],
        '{"type": "CloseStream"}',
        "Metadata",
    ),
    "assemblyai": ("/v3/ws?sample_rate=8000", [], '{"type":"Terminate"}', "Termination"),
    "native": (
        "/v1/calls",
        ['{"type":"start","encoding":"l16"}'],
        '{"type":"stop"}',
        "call.ended",
    ),
}


async def last_words(client: ClientConnection) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE):
        return [json.loads(message) async for message in client]


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_megabyte_in_one_message_and_binary_control(
    name: str, redis: Redis, tmp_path: Path
) -> None:
    path, opening, closing, end = CLIENTS[name]
    sound = np.concatenate([SPEECH, np.zeros(8_000, np.int16)]).tobytes()
    longest = (sound * (1_048_576 // len(sound) + 1))[:1_048_576]

    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with connect(it.url + path) as client:
            for message in opening:
                await client.send(message.encode())
            await client.send(longest)
            await client.send(closing.encode())
            said = await last_words(client)

    assert client.close_code == 1000
    (ended,) = [one for one in said if one["type"] == end]
    seconds = len(longest) / 16_000
    told = ended.get(
        "duration", ended.get("audio_duration_seconds", ended.get("duration_ms", 0) / 1_000)
    )
    assert told == pytest.approx(seconds, abs=1)


async def test_openai_events_may_hold_as_much(redis: Redis, tmp_path: Path) -> None:
    audio = base64.b64encode(np.tile(SPEECH, 12).tobytes()).decode()[:1_000_000]

    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with connect(it.url + "/v1/realtime") as client:
            await client.send(json.dumps(OPENAI))
            event = {"type": "input_audio_buffer.append", "audio": audio}
            await client.send(json.dumps(event).encode())
            await client.send('{"type":"input_audio_buffer.commit"}')
            async with asyncio.timeout(PATIENCE):
                async for message in client:
                    if json.loads(message)["type"].endswith("transcription.completed"):
                        break

    assert client.close_code in (None, 1000)
