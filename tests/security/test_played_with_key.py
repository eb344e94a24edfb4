"""`trunkline call` sends its key to a gateway that requires one."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis.asyncio import Redis
from support.credentials import site
from support.pipeline import gateway

from cli.recording import Recording
from cli.simulated_bridge import CallPlan, Playback, PlaybackError, play
from streaming.settings import GatewaySettings

SILENCE = Recording((np.zeros(8_000, np.int16), np.zeros(8_000, np.int16)))


@pytest.mark.parametrize("dialect", ["native", "twilio"])
async def test_a_call_is_played_and_transcribed_with_a_key_and_refused_without(
    redis: Redis, tmp_path: Path, dialect: str
) -> None:
    keyed, heard = site(tmp_path), list[dict[str, Any]]()
    plan = CallPlan("c-1", ("agent", "customer"))

    async with gateway(redis, GatewaySettings(keys_file=str(keyed.file), drain_seconds=0)) as url:
        playback = Playback(url, dialect, SILENCE, plan, pace=100, key=keyed.acme)
        await play(playback, heard.append, lambda _: None, asyncio.Event())
        with pytest.raises(PlaybackError, match="401: the key is missing or not valid"):
            await play(replace(playback, key=""), heard.append, lambda _: None, asyncio.Event())

    assert heard[-1]["type"] == "call.ended"
    assert {event["call_id"] for event in heard} == {"c-1"}
    assert keyed.acme not in repr(playback)
