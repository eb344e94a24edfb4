"""Calls of two tenants under one id, from speech to store."""

import asyncio
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from support.credentials import site
from support.engines import LengthTeller
from support.pipeline import pipeline
from support.waiting import PATIENCE

from cli.recording import read_recording
from cli.simulated_bridge import CallPlan, Playback, play
from streaming.settings import GatewaySettings

PROMPT = Path(__file__).parents[1] / "speech" / "prompts" / "agent-alreadyon.wav"


async def test_what_tenants_say_is_transcribed_and_stored_apart(
    redis: Redis, tmp_path: Path
) -> None:
    keyed, plan = site(tmp_path), CallPlan("c-1", ("mixed",))
    recording, settings = read_recording(PROMPT), GatewaySettings(keys_file=str(keyed.file))
    heard: dict[str, list[dict[str, Any]]] = {"acme": [], "globex": []}

    async with pipeline(redis, tmp_path, LengthTeller(), gateway=settings) as it:

        async def played(owner: str, key: str) -> None:
            playback = Playback(it.url, "native", recording, plan, pace=20, key=key)
            await play(playback, heard[owner].append, lambda _: None, asyncio.Event())

        await asyncio.gather(played("acme", keyed.acme), played("globex", keyed.globex))
        async with asyncio.timeout(PATIENCE):
            while not all(it.store.transcript(f"{owner}/c-1") for owner in heard):
                await redis.ping()  # the recorder's turn
        nobodys = it.store.transcript("c-1")

    assert nobodys is None
    for events in heard.values():
        assert "segment.final" in {event["type"] for event in events}
        assert {event["call_id"] for event in events} == {"c-1"}
