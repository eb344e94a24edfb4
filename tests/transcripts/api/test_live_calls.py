"""A call in progress, changed over HTTP: real sockets, the whole pipeline."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis
from support.api import running_api
from support.engines import LengthTeller
from support.pipeline import calling, pipeline, stream
from support.stored import stored_call

from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, encode

PROMPTS = sorted((Path(__file__).parents[2] / "speech" / "prompts").glob("*.wav"))


def speech() -> bytes:
    silence = np.zeros(8_000, dtype=np.int16)
    pcm: Pcm = np.concatenate([read_recording(PROMPTS[0]).channels[0], silence])
    whole_tenths = len(pcm) // 800 * 800
    return encode(pcm[:whole_tenths], Encoding.MULAW)


async def test_keywords_are_replaced_and_acknowledged_with_their_revision(
    redis: Redis, tmp_path: Path
) -> None:
    async with (
        pipeline(redis, tmp_path, LengthTeller()) as it,
        running_api(redis, it.store) as api,
        calling(it.url, call_id="c1", keywords=["Acme"]) as (bridge, heard),
    ):
        await heard.until("call.started")
        answer = await api.client.put(
            "/v1/calls/c1/keywords", json={"keywords": ["Orvanta", "<|x|>"]}
        )
        applied = await heard.until("keywords.applied", 2)
        await stream(bridge, speech(), frame=160, pace=20)
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")

    assert answer.json() == {
        "keywords_rev": 1,
        "accepted": ["Orvanta"],
        "rejected": applied["rejected"],
    }
    (final, *_) = heard.of("segment.final")
    assert (final["keywords_rev"], final["keywords"]) == (1, ["Orvanta"])


async def test_of_a_paused_call_nothing_is_processed_and_the_gap_is_visible(
    redis: Redis, tmp_path: Path
) -> None:
    audio = speech()
    async with (
        pipeline(redis, tmp_path, LengthTeller()) as it,
        running_api(redis, it.store) as api,
        calling(it.url, call_id="c1") as (bridge, heard),
    ):
        await stream(bridge, audio, frame=160, pace=20)
        await heard.until("segment.final")
        before = len(heard.of("segment.final"))
        paused = await api.client.post("/v1/calls/c1/pause")
        again = await api.client.post("/v1/calls/c1/pause")
        await stream(bridge, audio, frame=160, pace=20)
        await bridge.send('{"type":"dtmf","digit":"4","channel":0}')
        await bridge.send('{"type":"mark","name":"heard"}')
        await heard.until("mark")
        resumed = await api.client.post("/v1/calls/c1/resume")
        await stream(bridge, audio, frame=160, pace=20)
        await bridge.send('{"type":"stop"}')
        ended = await heard.until("call.ended")

    assert (paused.json(), again.json()) == ({"paused": True}, {"paused": True})
    assert resumed.json() == {"paused": False}
    (gap,) = heard.of("audio_gap")
    length = len(audio) // 8
    assert (gap["start_ms"], gap["end_ms"], gap["account"]) == (length, 2 * length, "paused")
    assert ended["channels"][0]["paused_ms"] == length
    assert ended["duration_ms"] == 3 * length
    assert len(heard.of("segment.final")) == 2 * before
    assert all(
        one["end_ms"] <= length or one["start_ms"] >= 2 * length - 500
        for one in heard.of("segment.final")
    )
    assert heard.of("dtmf") == []


async def test_the_levels_of_a_call_are_those_of_the_audio_that_its_bridge_sends(
    redis: Redis, tmp_path: Path
) -> None:
    tone = np.round(8_192 * np.sin(2 * np.pi * 400 * np.arange(8_000) / 8_000)).astype(np.int16)
    both = np.stack([tone, np.zeros_like(tone)], axis=1).reshape(-1)
    async with (
        pipeline(redis, tmp_path, LengthTeller()) as it,
        running_api(redis, it.store) as api,
        calling(it.url, call_id="c1", channels=["agent", "customer"]) as (bridge, heard),
    ):
        started = await heard.until("call.started")
        await stream(bridge, encode(both, Encoding.MULAW), frame=320, pace=20)
        await bridge.send('{"type":"mark","name":"heard"}')
        await heard.until("mark")
        agent, customer = (await api.client.get("/v1/calls/c1/levels")).json()["channels"]
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")
        await stored_call(it.store, "c1")
        over = await api.client.get("/v1/calls/c1/levels")
        unknown = await api.client.get("/v1/calls/nobody/levels")

    assert (started["encoding"], started["sample_rate"]) == ("mulaw", 8_000)
    assert (agent["received_ms"], customer["received_ms"]) == (1_000, 1_000)
    assert agent["loudest_dbfs"] == pytest.approx(-15, abs=0.5)  # a sine of a quarter of full scale
    assert customer["loudest_dbfs"] < -80
    assert (over.status_code, unknown.status_code) == (409, 404)


async def test_a_pause_outlives_the_connection_of_the_bridge(redis: Redis, tmp_path: Path) -> None:
    audio = speech()
    async with pipeline(redis, tmp_path, LengthTeller()) as it, running_api(redis, it.store) as api:
        async with calling(it.url, call_id="c1") as (_, heard):
            await heard.until("call.started")
            await api.client.post("/v1/calls/c1/pause")
            async with calling(it.url, call_id="c1") as (second, later):
                await stream(second, audio, frame=160, pace=20)
                await second.send('{"type":"stop"}')
                ended = await later.until("call.ended")

    assert later.of("segment.final") == []
    assert ended["channels"][0]["transcribed_ms"] == 0


async def test_a_call_in_progress_is_read_while_it_grows(redis: Redis, tmp_path: Path) -> None:
    async with (
        pipeline(redis, tmp_path, LengthTeller()) as it,
        running_api(redis, it.store) as api,
        calling(it.url, call_id="c1") as (bridge, heard),
    ):
        await stream(bridge, speech(), frame=160, pace=20)
        await heard.until("segment.final")
        page = (await api.client.get("/v1/calls/c1/events")).json()
        following = asyncio.ensure_future(
            api.client.get("/v1/calls/c1/events", headers={"accept": "text/event-stream"})
        )
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")
        streamed = (await following).text

    assert page["status"] == "live"
    assert "segment.final" in {one["type"] for one in page["events"]}
    assert "call.ended" in streamed


async def test_a_call_that_is_over_takes_no_commands(redis: Redis, tmp_path: Path) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it, running_api(redis, it.store) as api:
        async with calling(it.url, call_id="c1") as (bridge, heard):
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
        unknown = await api.client.post("/v1/calls/nobody/pause")

    assert unknown.status_code == 404
