"""Speech of a neighbour on an agent's channel, through the whole pipeline."""

from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import Listener, calling, pipeline, stream
from support.stored import stored_call

from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, encode
from streaming.settings import GatewaySettings

PROMPTS = Path(__file__).parents[2] / "speech" / "prompts"
SILENCE = np.zeros(8_000, dtype=np.int16)


def clip(name: str) -> Pcm:
    return read_recording(PROMPTS / f"{name}.wav").channels[0]


def together(*channels: Pcm) -> bytes:
    return encode(np.stack(channels, axis=1).reshape(-1), Encoding.MULAW)


def line() -> Pcm:
    near = [clip("agent-alreadyon"), clip("agent-incorrect")]
    neighbour = (clip("vm-rec-busy") / 8).astype(np.int16)
    return np.concatenate([part for pcm in (*near, neighbour) for part in (pcm, SILENCE)])


async def heard_by(
    redis: Redis, folder: Path, settings: GatewaySettings, metrics: CollectorRegistry, role: str
) -> Listener:
    async with pipeline(redis, folder, LengthTeller(), gateway=settings, metrics=metrics) as it:
        async with calling(it.url, call_id="c1", channels=[role]) as (bridge, heard):
            await stream(bridge, encode(line(), Encoding.MULAW), frame=160, pace=8)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
        await stored_call(it.store, "c1")
    return heard


async def test_a_neighbours_words_are_left_out_and_counted(redis: Redis, tmp_path: Path) -> None:
    settings, metrics = GatewaySettings(drain_seconds=0), CollectorRegistry()

    heard = await heard_by(redis, tmp_path, settings, metrics, "agent")

    *own, far = heard.of("segment.final")
    assert (far["text"], far["flags"]) == ("", ["withheld:background"])
    assert all(final["text"] and not final["flags"] for final in own)
    assert not any(one["segment_id"] == far["segment_id"] for one in heard.of("segment.partial"))
    ended = heard.of("call.ended")[0]
    (totals,) = ended["channels"]
    assert totals["withheld_ms"] == far["end_ms"] - far["start_ms"]
    assert sum(totals.values()) == pytest.approx(ended["duration_ms"], abs=1)
    seconds = metrics.get_sample_value("trunkline_withheld_seconds_total", {"reason": "background"})
    assert seconds == pytest.approx(totals["withheld_ms"] / 1_000, abs=0.01)


async def test_the_voice_of_the_other_party_is_not_transcribed_twice(
    redis: Redis, tmp_path: Path
) -> None:
    said = np.concatenate([clip("agent-alreadyon"), SILENCE, clip("vm-rec-busy"), SILENCE])
    leak = (np.concatenate([SILENCE[:1_600], said])[: len(said)] / 10).astype(np.int16)

    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, channels=["agent", "customer"]) as (bridge, heard):
            await stream(bridge, together(said, leak), frame=320, pace=8)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")

    agent = [final for final in heard.of("segment.final") if final["role"] == "agent"]
    customer = [final for final in heard.of("segment.final") if final["role"] == "customer"]
    assert all(final["text"] for final in agent)
    assert [final["flags"] for final in customer] == [["withheld:crosstalk"]] * len(agent)
    ended = heard.of("call.ended")[0]
    for totals in ended["channels"]:
        assert sum(totals.values()) == pytest.approx(ended["duration_ms"], abs=1)
    assert [totals["withheld_ms"] > 0 for totals in ended["channels"]] == [False, True]


async def test_a_site_may_keep_them_with_a_flag(redis: Redis, tmp_path: Path) -> None:
    settings = GatewaySettings(drain_seconds=0, keep_background=True)

    heard = await heard_by(redis, tmp_path, settings, CollectorRegistry(), "agent")

    *own, far = heard.of("segment.final")
    assert far["text"]
    assert far["flags"] == ["background"]
    assert not any(final["flags"] for final in own)


async def test_a_channel_of_several_speakers_keeps_the_soft_ones(
    redis: Redis, tmp_path: Path
) -> None:
    settings = GatewaySettings(drain_seconds=0)

    heard = await heard_by(redis, tmp_path, settings, CollectorRegistry(), "mixed")

    assert all(final["text"] and not final["flags"] for final in heard.of("segment.final"))
