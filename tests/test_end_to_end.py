"""Human speech in real time through the real gateway, Valkey and the real CPU engine."""

import asyncio
import base64
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis
from support.pipeline import Listener, calling, pipeline, stream
from support.prompts import PROMPTS, SPEECH
from support.waiting import PATIENCE
from websockets.asyncio.client import ClientConnection, connect

from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, encode
from transcripts.wer import WordErrors, word_errors
from workers.engines.base import Engine, Utterance

MANIFEST = [*PROMPTS.values()]
SILENCE = np.zeros(9_600, dtype=np.int16)


def prompt(entry: dict[str, str]) -> Pcm:
    """The audio of a manifest's line."""
    return read_recording(SPEECH / entry["file"]).channels[0]


def spoken(entries: list[dict[str, str]]) -> tuple[Pcm, str]:
    """Prompts with 1.2 s of silence after each, and their texts."""
    audio = np.concatenate([part for entry in entries for part in (prompt(entry), SILENCE)])
    return audio, " ".join(entry["text"] for entry in entries)


@pytest.mark.waits
async def test_a_call_of_human_speech_is_transcribed_while_it_is_spoken(
    redis: Redis, tmp_path: Path, moonshine: Engine
) -> None:
    """Two parties, native dialect: words right, partials before the end of speech, nothing twice."""
    agent, agent_text = spoken(MANIFEST[:3])
    customer, customer_text = spoken(MANIFEST[3:6])
    length = max(len(agent), len(customer))
    both = np.zeros((length, 2), dtype=np.int16)
    both[: len(agent), 0], both[: len(customer), 1] = agent, customer

    async with pipeline(redis, tmp_path, moonshine) as it:
        async with calling(it.url, channels=["agent", "customer"]) as (bridge, heard):
            await speak_until_read(bridge, encode(both.reshape(-1), Encoding.MULAW), heard)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")

    errors = word_errors(agent_text, heard.text(0)) + word_errors(customer_text, heard.text(1))
    assert errors.rate <= 0.06, errors
    assert heard.of("segment.partial")
    degraded = degraded_segments(heard)
    for final in heard.of("segment.final"):
        came = partials_came_while_it_was_spoken(heard, segment := final["segment_id"])
        assert came or segment in degraded or final["end_ms"] - final["start_ms"] <= 2_000


async def speak_until_read(bridge: ClientConnection, audio: bytes, heard: Listener) -> None:
    """
    In real time, but a speaker who has spoken for 1.2 s waits until text of it can be read: workers may be slow.

    Because a partial without words is not sent, it waits for ten seconds, speaks for a fifth of a second, and waits
    again; four times at most for each segment.
    """
    second, waits = 50 * 320, Counter[str]()
    for start in range(0, len(audio), second // 5):
        await stream(bridge, audio[start : start + second // 5], frame=320, pace=1)
        sent_ms = 1_000 * (start + second // 5) // second
        for begun in heard.of("speech.started"):
            segment = begun["segment_id"]
            if sent_ms - begun["start_ms"] >= 1_200 and waits[segment] < 4:
                try:
                    async with asyncio.timeout(10):
                        await heard.until_one_of(segment, "segment.partial", "segment.final")
                    waits[segment] = 4
                except TimeoutError:
                    waits[segment] += 1


def degraded_segments(heard: Listener) -> set[str]:
    """The segments for which partials may be left out, as the call was told before their finals."""
    is_degraded, spoken, found = False, set[str](), set[str]()
    for event in heard.events:
        match event["type"]:
            case "degraded":
                is_degraded = event["level"] != "normal"
            case "speech.started":
                spoken.add(event["segment_id"])
            case "segment.final":
                spoken.discard(event["segment_id"])
            case _:
                pass
        if is_degraded:
            found |= spoken
    return found


def partials_came_while_it_was_spoken(heard: Listener, segment: str) -> bool:
    """Whether there is a partial before the final; asserts that revisions rise and promised words are kept."""
    mine = [event for event in heard.events if event.get("segment_id") == segment]
    partials = [event for event in mine if event["type"] == "segment.partial"]
    assert mine[-1]["type"] == "segment.final"
    revisions = [event["rev"] for event in partials]
    assert revisions == sorted(set(revisions))
    assert all(event["end_ms"] < mine[-1]["end_ms"] for event in partials)
    promised: list[str] = []
    for event in partials:
        words = [word["w"] for word in event["words"]]
        assert words[: len(promised)] == promised
        promised = [word["w"] for word in event["words"] if word["stable"]]
    return bool(partials)


async def test_twilio_sends_two_tracks_and_the_words_are_read_elsewhere(
    redis: Redis, tmp_path: Path, moonshine: Engine
) -> None:
    entry = MANIFEST[0]
    audio = prompt(entry)

    async with pipeline(redis, tmp_path, moonshine) as it:
        heard = Listener()
        async with connect(f"{it.url}/v1/calls/CA1/events") as subscriber:
            listening = asyncio.ensure_future(heard.listen(subscriber))
            async with connect(f"{it.url}/twilio") as twilio:
                for message in media_streams(audio):
                    await twilio.send(json.dumps(message))
                await listening

    assert word_errors(entry["text"], heard.text(1)).rate <= 0.1
    assert heard.text(0) == ""
    assert heard.events[0]["roles"] == ["customer", "agent"]
    assert heard.of("dtmf")[0]["digit"] == "5"


def media_streams(audio: Pcm) -> list[dict[str, object]]:
    """The messages of Twilio: silence from the customer, `audio` from the agent, a DTMF digit, a stop."""
    start = {
        "callSid": "CA1",
        "tracks": ["inbound", "outbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"keywords": "Acme, Orvanta"},
    }
    messages: list[dict[str, object]] = [{"event": "connected"}, {"event": "start", "start": start}]
    for position in range(0, len(audio), 160):
        for track, pcm in (
            ("inbound", np.zeros(160, np.int16)),
            ("outbound", audio[position : position + 160]),
        ):
            payload = base64.b64encode(encode(pcm, Encoding.MULAW)).decode()
            media = {"track": track, "timestamp": str(position // 8), "payload": payload}
            messages.append({"event": "media", "media": media})
    messages.append({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "5"}})
    return [*messages, {"event": "stop", "stop": {"callSid": "CA1"}}]


@pytest.mark.long
async def test_cutting_a_call_into_segments_costs_no_words(
    redis: Redis, tmp_path: Path, moonshine: Engine
) -> None:
    """The same prompts through the pipeline, as fast as possible, and each as a whole to the engine alone."""
    audio, _ = spoken(MANIFEST)

    async with pipeline(redis, tmp_path, moonshine) as it:
        async with calling(it.url, partials=False) as (bridge, heard):
            await stream(bridge, encode(audio, Encoding.MULAW), frame=1_600, pace=40)
            await bridge.send('{"type":"stop"}')
            async with asyncio.timeout(PATIENCE):
                await heard.until("call.ended")

    alone = sum((errors_alone(moonshine, entry) for entry in MANIFEST), WordErrors())
    reference = " ".join(entry["text"] for entry in MANIFEST)
    cut = word_errors(reference, heard.text())
    assert cut.rate <= alone.rate + 0.01, (cut, alone)


def errors_alone(engine: Engine, entry: dict[str, str]) -> WordErrors:
    """Of one prompt given whole to the engine, after the same telephone line and the same upsampling."""
    import soxr

    from protocol.audio import decode

    line = decode(encode(prompt(entry), Encoding.MULAW), Encoding.MULAW)
    wide = soxr.resample(line.astype(np.float32) / 32_768, 8_000, 16_000, quality="HQ")
    heard = engine.transcribe([Utterance(wide.astype(np.float32))])[0]
    return word_errors(entry["text"], heard.text)
