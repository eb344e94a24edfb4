"""The whole pipeline with LengthTeller: delivery, order, loss, faults.  Real sockets and Valkey."""

import asyncio
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import Listener, calling, pipeline, reset, stream
from support.stored import stored_call
from support.valkey import ValkeyServer
from support.waiting import PATIENCE
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, encode
from streaming.settings import GatewaySettings
from workers.engines.base import Utterance
from workers.settings import WorkerSettings

PROMPTS = sorted((Path(__file__).parent / "speech" / "prompts").glob("*.wav"))
SILENCE = np.zeros(8_000, dtype=np.int16)


def speech(count: int) -> Pcm:
    """Telephone prompts with a second of silence behind each."""
    return np.concatenate(
        [part for path in PROMPTS[:count] for part in (read_recording(path).channels[0], SILENCE)]
    )


def mulaw(pcm: Pcm) -> bytes:
    return encode(pcm, Encoding.MULAW)


async def test_every_sample_of_a_call_is_accounted_for_and_stored(
    redis: Redis, tmp_path: Path
) -> None:
    audio = mulaw(speech(3))

    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, call_id="c1", keywords=["Acme"]) as (bridge, heard):
            await stream(bridge, audio, frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            ended = await heard.until("call.ended")
    finals = heard.of("segment.final")

    assert [event["seq"] for event in heard.events if "seq" in event] == list(
        range(1, len([event for event in heard.events if "seq" in event]) + 1)
    )
    assert sum(ended["channels"][0].values()) == ended["duration_ms"] == len(audio) // 8
    assert ended["segments"] == len(finals) >= 3
    assert all("Acme" in final["text"] and final["keywords"] == ["Acme"] for final in finals)
    assert all(a["end_ms"] <= b["start_ms"] for a, b in pairwise(finals))


async def test_what_the_client_saw_is_what_the_store_has(redis: Redis, tmp_path: Path) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, call_id="c1", channels=2) as (bridge, heard):
            both = np.stack([speech(2), np.roll(speech(2), 12_000)], axis=1).reshape(-1)
            await stream(bridge, mulaw(both), frame=320, pace=20)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
        stored = await stored_call(it.store, "c1")

    finals = {event["segment_id"]: event["text"] for event in heard.of("segment.final")}
    assert {str(one.segment): one.text for one in stored.segments} == finals
    assert stored.call.roles == ("agent", "customer")


async def test_a_hang_up_without_goodbye_still_yields_the_last_words(
    redis: Redis, tmp_path: Path
) -> None:
    words = read_recording(PROMPTS[0]).channels[0]

    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, call_id="c1") as (bridge, heard):
            await stream(bridge, mulaw(words), frame=160, pace=20)
            await heard.until("speech.started")
            reset(bridge)
        later = Listener()
        async with connect(f"{it.url}/v1/calls/c1/events?after=0") as subscriber:
            await later.listen(subscriber)

    assert later.events[-1]["type"] == "call.ended"
    assert later.events[-1]["reason"] == "hangup"
    assert len(later.of("segment.final")) == later.events[-1]["segments"] > 0


async def test_redis_killed_with_all_it_knew_costs_no_final(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    """The client sees every seq once; every segment ends once; the account adds up."""
    audio = mulaw(speech(4))

    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, call_id="c1") as (bridge, heard):
            sending = asyncio.ensure_future(stream(bridge, audio, frame=160, pace=8))
            await heard.until("segment.final")
            valkey.kill()
            valkey.start()
            await sending
            await bridge.send('{"type":"stop"}')
            async with asyncio.timeout(PATIENCE):
                ended = await heard.until("call.ended")

    logged = [event["seq"] for event in heard.events if "seq" in event]
    finals = [event["segment_id"] for event in heard.of("segment.final")]
    assert logged == list(range(1, len(logged) + 1))
    assert len(finals) == len(set(finals)) == ended["segments"]
    assert sum(ended["channels"][0].values()) == ended["duration_ms"] == len(audio) // 8


async def test_keywords_changed_in_mid_call_stand_on_the_finals_behind(
    redis: Redis, tmp_path: Path
) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, keywords=["Acme"]) as (bridge, heard):
            await stream(bridge, mulaw(speech(1)), frame=160, pace=20)
            await heard.until("segment.final")
            await bridge.send(json.dumps({"type": "keywords", "keywords": ["Orvanta", "<|x|>"]}))
            applied = await heard.until("keywords.applied", 2)
            await stream(bridge, mulaw(speech(1)), frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
    finals = heard.of("segment.final")

    assert applied["accepted"] == ["Orvanta"]
    assert applied["rejected"][0].startswith("<|x|>: only letters")
    assert (finals[0]["keywords_rev"], finals[0]["keywords"]) == (0, ["Acme"])
    assert (finals[-1]["keywords_rev"], finals[-1]["keywords"]) == (1, ["Orvanta"])


async def test_a_mark_is_answered_behind_the_finals_it_waits_for(
    redis: Redis, tmp_path: Path
) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url) as (bridge, heard):
            await stream(bridge, mulaw(speech(1)), frame=160, pace=50)
            await bridge.send('{"type":"mark","name":"m1"}')
            await heard.until("mark")
            kinds = [event["type"] for event in heard.events]

    assert kinds.index("mark") > kinds.index("segment.final")


async def test_finalize_brings_the_words_before_the_silence_does(
    redis: Redis, tmp_path: Path
) -> None:
    words = read_recording(PROMPTS[0]).channels[0]

    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url) as (bridge, heard):
            await stream(bridge, mulaw(words[:16_000]), frame=160, pace=50)
            await bridge.send('{"type":"finalize"}')
            final = await heard.until("segment.final")

    assert final["end_ms"] <= 2_000


async def test_an_engine_that_fails_on_one_segment_fails_that_one_alone(
    redis: Redis, tmp_path: Path
) -> None:
    lengths = sorted(len(read_recording(path).channels[0]) for path in PROMPTS[:3])
    limit = lengths[0] + lengths[1]  # between the two, in the engine's rate

    def too_short(one: Utterance) -> bool:
        return len(one.samples) < limit

    async with pipeline(redis, tmp_path, LengthTeller(fault=too_short)) as it:
        async with calling(it.url, partials=False) as (bridge, heard):
            await stream(bridge, mulaw(speech(3)), frame=160, pace=50)
            await bridge.send('{"type":"stop"}')
            ended = await heard.until("call.ended")
    failed = heard.of("segment.failed")

    assert len(failed) == 1
    assert failed[0]["reason"] == "told to fail"
    assert len(heard.of("segment.final")) + 1 == ended["segments"]


async def test_several_subscribers_read_the_same_log_from_where_they_want(
    redis: Redis, tmp_path: Path
) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        early, late = Listener(), Listener()
        async with connect(f"{it.url}/v1/calls/c1/events") as subscriber:
            listening = asyncio.ensure_future(early.listen(subscriber))
            async with calling(it.url, call_id="c1") as (bridge, heard):
                await stream(bridge, mulaw(speech(2)), frame=160, pace=20)
                await bridge.send('{"type":"stop"}')
                await heard.until("call.ended")
            await listening
        async with connect(f"{it.url}/v1/calls/c1/events?after=2") as subscriber:
            await late.listen(subscriber)

    def logged(listener: Listener) -> list[object]:
        return [event for event in listener.events if "seq" in event]

    assert logged(early) == logged(heard)
    assert late.events == logged(heard)[2:]


async def test_a_newer_connection_takes_over_the_call_and_the_older_is_notified(
    redis: Redis, tmp_path: Path
) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, call_id="c1") as (older, heard):
            await heard.until("call.started")
            async with calling(it.url, call_id="c1") as (newer, _):
                with pytest.raises(ConnectionClosed) as closed:
                    await stream(older, mulaw(speech(4)), frame=160, pace=5)
                await newer.send('{"type":"stop"}')

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4103


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (b"\x00" * 160, "audio before start"),
        ('{"type":"stop"}', "stop before start"),
        ("{", "not a JSON message"),
        ('{"type":"start","encoding":"mp3"}', "unknown encoding"),
        ('{"type":"start","encoding":"l16","sample_rate":96000}', "96000"),
    ],
)
async def test_a_protocol_error_is_explained_to_the_bridge(
    redis: Redis, tmp_path: Path, message: str | bytes, complaint: str
) -> None:
    async with (
        pipeline(redis, tmp_path, None) as it,
        connect(f"{it.url}/v1/calls") as bridge,
    ):
        await bridge.send(message)
        told = Listener()
        with pytest.raises(ConnectionClosed):
            await told.listen(bridge)

    assert told.events[-1]["type"] == "error"
    assert complaint in told.events[-1]["message"]
    assert bridge.close_code == 4400
    assert complaint in (bridge.close_reason or "")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nowhere", 404), ("/livez", 200), ("/readyz", 200), ("/v1/calls/a%2Fb/events", 404)],
)
async def test_plain_http_is_answered(redis: Redis, tmp_path: Path, path: str, status: int) -> None:
    async with pipeline(redis, tmp_path, None) as it:
        with pytest.raises(InvalidStatus) as answer:
            await connect(it.url + path).__aenter__()

    assert answer.value.response.status_code == status


async def test_a_full_gateway_refuses_with_a_time_to_come_back(
    redis: Redis, tmp_path: Path
) -> None:
    async with pipeline(redis, tmp_path, None, gateway=GatewaySettings(max_calls=1)) as it:
        async with calling(it.url) as (_, heard):
            await heard.until("call.started")
            with pytest.raises(InvalidStatus) as answer:
                await connect(f"{it.url}/v1/calls").__aenter__()

    assert answer.value.response.status_code == 503
    assert int(answer.value.response.headers["Retry-After"]) > 0


async def test_a_gateway_that_is_stopped_finishes_its_calls(redis: Redis, tmp_path: Path) -> None:
    words = read_recording(PROMPTS[0]).channels[0]
    settings = WorkerSettings(lease_ms=1_000)

    async with pipeline(redis, tmp_path / "a", None) as without_worker:
        heard = Listener()
        async with connect(f"{without_worker.url}/v1/calls") as bridge:
            await bridge.send('{"type":"start","call_id":"c1"}')
            await stream(bridge, mulaw(words), frame=160, pace=20)
            listening = asyncio.ensure_future(heard.listen(bridge))
            async with pipeline(redis, tmp_path / "b", LengthTeller(), worker=settings):
                await heard.until("segment.partial")
                await bridge.send('{"type":"stop"}')
                await listening

    assert heard.events[-1]["type"] == "call.ended"
    assert len(heard.of("segment.final")) == heard.events[-1]["segments"]


async def test_a_call_opened_by_its_first_audio_loses_none_of_it(
    redis: Redis, tmp_path: Path
) -> None:
    audio = mulaw(speech(1))
    heard = Listener()

    async with (
        pipeline(redis, tmp_path, LengthTeller()) as it,
        connect(f"{it.url}/v1/calls?encoding=mulaw&call_id=c1", compression=None) as bridge,
    ):
        await bridge.send(audio[:40_000])
        await bridge.send(audio[40_000:])
        await bridge.send('{"type":"stop"}')
        await heard.listen(bridge)

    assert heard.events[-1]["duration_ms"] == len(audio) // 8
    assert len(heard.of("segment.final")) == heard.events[-1]["segments"] > 0


async def test_a_gateway_without_redis_asks_to_come_back(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    async with pipeline(redis, tmp_path, None) as it:
        valkey.kill()
        heard = Listener()
        async with connect(f"{it.url}/v1/calls") as bridge:
            await bridge.send('{"type":"start"}')
            with pytest.raises(ConnectionClosed):
                await heard.listen(bridge)
        valkey.start()

    assert bridge.close_code == 1013


@pytest.mark.parametrize(
    ("path", "first_word"),
    [("/v3/ws?sample_rate=8000", "Begin"), ("/v1/realtime", "session.created")],
)
async def test_a_dialect_that_has_the_first_word_says_it_unasked(
    redis: Redis, tmp_path: Path, path: str, first_word: str
) -> None:
    async with pipeline(redis, tmp_path, None) as it, connect(it.url + path) as client:
        async with asyncio.timeout(PATIENCE):
            said = json.loads(await client.recv())

    assert said["type"] == first_word
