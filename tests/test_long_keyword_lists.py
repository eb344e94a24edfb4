"""Keyword lists of thousands of terms through the whole pipeline.  Real sockets and Valkey."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import calling, pipeline, stream
from support.valkey import ValkeyServer
from support.waiting import PATIENCE, until_true

from broker.keyword_lists import LIST_TTL
from broker.redis_keys import CallKeys
from cli.recording import read_recording
from protocol.audio import Encoding, encode
from protocol.bridge_events import CallOpened
from protocol.calls.call import CallConfig, Keywords, Role
from streaming.call.checkpoint import first_checkpoint
from streaming.call_store import CallStore
from workers.engines.base import RecognisedWord, Utterance

PROMPT = Path(__file__).parent / "speech" / "prompts"
SILENCE = np.zeros(8_000, dtype=np.int16)
SPEECH = encode(
    np.concatenate([read_recording(next(PROMPT.glob("*.wav"))).channels[0], SILENCE]),
    Encoding.MULAW,
)
NAMES = [f"Quillon {number}" for number in range(5_000)]


class LastTeller(LengthTeller):
    """Recognises the length of the audio and the last keyword."""

    def _words(self, one: Utterance) -> tuple[RecognisedWord, ...]:
        return super()._words(one)[:2] + tuple(map(RecognisedWord, one.keywords[-1:]))


async def test_five_thousand_keywords_reach_the_engine_and_are_stored_once(
    redis: Redis, tmp_path: Path
) -> None:
    async with pipeline(redis, tmp_path, LastTeller()) as it:
        async with calling(it.url, call_id="c1", keywords=[*NAMES, "one too many"]) as (
            bridge,
            heard,
        ):
            await stream(bridge, SPEECH, frame=160, pace=20)
            await heard.until("segment.final")
            (stored,) = await redis.keys("*:keywords:*")
            left = await redis.ttl(stored)
            (meta,) = await redis.keys("*:meta")
            checkpoint: Any = await redis.hget(meta, "checkpoint")
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
    (applied,) = heard.of("keywords.applied")
    finals = heard.of("segment.final")

    assert applied["accepted"] == NAMES
    assert applied["rejected"] == ["one too many: more than 5000 keywords"]
    assert finals
    assert {tuple(final["keywords"]) for final in finals} == {(NAMES[-1],)}
    assert all("keywords_missing" not in final["flags"] for final in finals)
    assert len(checkpoint) < 2_000
    assert 0 < left <= LIST_TTL


async def test_jobs_name_a_list_also_after_segments_are_queued_again(redis: Redis) -> None:
    config = CallConfig(keywords=Keywords(tuple(NAMES)))
    opened = CallOpened("c1", (Role.CUSTOMER,), config=config)
    store = CallStore(redis, CallKeys.of("c1", 1), "owner")
    await store.open("log", first_checkpoint(opened, "native", 0.0, ""))

    store.doubt()

    assert store.stored_list(tuple(NAMES))
    assert not store.stored_list(tuple(NAMES[:-1]))


async def test_a_new_long_list_is_used_at_once_and_outlives_the_server(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    later = [f"Orvanta {number}" for number in range(5_000)]
    async with pipeline(redis, tmp_path, LastTeller()) as it:
        async with calling(it.url, call_id="c1", keywords=NAMES) as (bridge, heard):
            await stream(bridge, SPEECH, frame=160, pace=20)
            await heard.until("segment.final")
            await bridge.send(json.dumps({"type": "keywords", "keywords": later}))
            await heard.until("keywords.applied", 2)
            before = len(heard.of("segment.final"))
            await stream(bridge, SPEECH, frame=160, pace=20)
            await until_true(lambda: len(heard.of("segment.final")) > before)
            valkey.kill()
            valkey.start()
            behind = len(heard.of("segment.final"))
            await stream(bridge, SPEECH, frame=160, pace=20)
            async with asyncio.timeout(PATIENCE):
                await until_true(lambda: len(heard.of("segment.final")) > behind)
                await bridge.send('{"type":"stop"}')
                await heard.until("call.ended")
    finals = heard.of("segment.final")

    for final in finals:
        names = NAMES if final["keywords_rev"] == 0 else later
        assert final["keywords"] == names[-1:]
    assert finals[0]["keywords_rev"] == 0
    assert finals[-1]["keywords_rev"] == 1
