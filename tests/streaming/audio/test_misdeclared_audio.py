"""Audio with a wrong declared format, through the whole pipeline; the engine finds words in any audio."""

from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import Event, calling, pipeline, stream
from support.stored import stored_call

from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, encode

PROMPTS = sorted((Path(__file__).parents[2] / "speech" / "prompts").glob("*.wav"))
WORDS = {"segment.final", "segment.partial"}


def speech(count: int = 3) -> Pcm:
    silence = np.zeros(8_000, dtype=np.int16)
    return np.concatenate(
        [part for path in PROMPTS[:count] for part in (read_recording(path).channels[0], silence)]
    )


MISREAD = {
    "A-law as mu-law": ("mulaw", encode(speech(), Encoding.ALAW), "wrong_law"),
    "mu-law as A-law": ("alaw", encode(speech(), Encoding.MULAW), "wrong_law"),
    "big-endian": ("l16", speech().byteswap().tobytes(), "wrong_byte_order"),
    "mu-law as linear": ("l16", encode(speech(), Encoding.MULAW), "wrong_encoding"),
    "linear as A-law": ("alaw", speech().tobytes(), "wrong_encoding"),
}


@pytest.mark.parametrize("name", MISREAD)
async def test_misread_audio_is_warned_of_and_never_becomes_words(
    name: str, redis: Redis, tmp_path: Path
) -> None:
    encoding, audio, fault = MISREAD[name]

    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, call_id="c1", encoding=encoding) as (bridge, heard):
            await stream(bridge, audio, frame=320 if encoding == "l16" else 160, pace=20)
            await bridge.send('{"type":"stop"}')
            ended = await heard.until("call.ended")
        stored = await stored_call(it.store, "c1")

    said = [event for event in heard.events if event["type"] in WORDS and event["text"]]
    dropped = heard.of("segment.dropped")
    (warning,) = heard.of("line_warning")
    assert said == []
    assert (warning["fault"], warning["channel"]) == (fault, 0)
    assert warning["at_ms"] <= 3_000
    assert [one.fault for one in stored.line_warnings] == [fault]
    assert all("the audio does not match what was spoken" in one["reason"] for one in dropped)
    assert len(dropped) + len(heard.of("segment.final")) == ended["segments"]
    assert accounted(ended) == ended["duration_ms"]


async def test_a_call_that_is_what_it_says_has_all_its_words_and_no_warning(
    redis: Redis, tmp_path: Path
) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, call_id="c1", encoding="alaw") as (bridge, heard):
            await stream(bridge, encode(speech(), Encoding.ALAW), frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            ended = await heard.until("call.ended")

    assert heard.of("line_warning") == []
    assert len(heard.of("segment.final")) == ended["segments"] >= 3


async def test_8_khz_declared_as_16_in_real_time_never_becomes_words(
    redis: Redis, tmp_path: Path
) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        start = {"call_id": "c1", "encoding": "l16", "sample_rate": 16_000}
        async with calling(it.url, **start) as (bridge, heard):
            await stream(bridge, speech(2).tobytes(), frame=320, pace=1)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")

    (warning,) = heard.of("line_warning")
    assert warning["fault"] == "wrong_rate"
    assert heard.of("segment.final") == []
    assert heard.of("segment.dropped")


@pytest.mark.parametrize("pace", [2, 40])
async def test_audio_sent_faster_than_real_time_draws_no_warning(
    pace: float, redis: Redis, tmp_path: Path
) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, call_id="c1", encoding="l16") as (bridge, heard):
            await stream(bridge, speech().tobytes(), frame=320, pace=pace)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")

    assert heard.of("line_warning") == []
    assert len(heard.of("segment.final")) >= 3


async def test_one_misread_channel_costs_the_other_no_word(redis: Redis, tmp_path: Path) -> None:
    good = np.frombuffer(encode(speech(), Encoding.MULAW), dtype=np.uint8)
    bad = np.frombuffer(encode(np.roll(speech(), 12_000), Encoding.ALAW), dtype=np.uint8)

    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, call_id="c1", channels=2) as (bridge, heard):
            await stream(bridge, np.stack([good, bad], axis=1).tobytes(), frame=320, pace=20)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")

    assert [(one["fault"], one["channel"]) for one in heard.of("line_warning")] == [
        ("wrong_law", 1)
    ]
    assert {one["channel"] for one in heard.of("segment.final")} == {0}
    assert len(heard.of("segment.final")) >= 3


def accounted(ended: Event) -> int:
    return sum(ended["channels"][0].values())
