"""Audio of calls is kept: by policy only, without pauses, over the kill of a gateway.  Real sockets and files."""

from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.gateways import gateway_process
from support.kept_audio import audio_settings, heard_in, parts_of
from support.pipeline import calling, pipeline, stream
from support.spoken_calls import AUDIO
from support.stored import stored_call
from support.valkey import ValkeyServer
from support.waiting import until

from broker.call_commands import send_command
from broker.redis_keys import CallKeys
from protocol.audio import AudioFormat
from protocol.calls.call_commands import Pause, Resume
from streaming.settings import GatewaySettings

SPOKEN = AudioFormat().decode(AUDIO)[0]
LENGTH = len(SPOKEN)


def keeping(folder: Path, **more: str) -> GatewaySettings:
    return GatewaySettings.model_validate(
        {"keep_audio": "*", "drain_seconds": 0, **audio_settings(folder), **more}
    )


async def test_both_channels_are_kept_as_they_came_and_the_pause_is_not(
    redis: Redis, tmp_path: Path
) -> None:
    both = np.stack([SPOKEN, np.roll(SPOKEN, 24_000)], axis=1)[: 4 * 8_000]
    audio = np.frombuffer(AUDIO, np.uint8)
    coded = np.stack([audio, np.roll(audio, 24_000)], axis=1)[: 4 * 8_000].tobytes()
    keys = CallKeys.of("c1", 1)

    async with pipeline(redis, tmp_path, LengthTeller(), gateway=keeping(tmp_path)) as it:
        start = {"call_id": "c1", "channels": ["agent", "customer"]}
        async with calling(it.url, "", **start) as (bridge, heard):
            await stream(bridge, coded[: 2 * 16_000], frame=320, pace=20)
            await bridge.send('{"type":"ping"}')
            await heard.until("pong")
            assert await send_command(redis, keys, Pause(), 30)
            await stream(bridge, coded[2 * 16_000 : 3 * 16_000], frame=320, pace=20)
            await bridge.send('{"type":"ping"}')
            await heard.until("pong", 2)
            assert await send_command(redis, keys, Resume(), 30)
            await stream(bridge, coded[3 * 16_000 :], frame=320, pace=20)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
        await stored_call(it.store, "c1")
        parts = parts_of(it.store, tmp_path, "c1")

    (told,) = heard.of("audio.kept")
    assert set(told) == {"v", "call_id", "seq", "type"}  # no key
    both[2 * 8_000 : 3 * 8_000] = 0
    for channel in (0, 1):
        assert np.array_equal(heard_in(parts, channel, 4 * 8_000), both[:, channel])


@pytest.mark.parametrize(
    ("policy", "wish"),
    [("", {}), ("acme", {}), ("*", {"keep_audio": False}), ("*", {"keep_audio": "no"})],
)
async def test_nothing_is_kept_unless_the_site_says_so_and_the_client_does_not_object(
    redis: Redis, tmp_path: Path, policy: str, wish: dict[str, object]
) -> None:
    settings = keeping(tmp_path, keep_audio=policy)

    async with pipeline(redis, tmp_path, LengthTeller(), gateway=settings) as it:
        async with calling(it.url, "", call_id="c1", **wish) as (bridge, heard):
            await stream(bridge, AUDIO[:16_000], frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")

    assert heard.of("audio.kept") == []
    assert not (tmp_path / "audio").exists()


async def test_a_client_cannot_ask_for_more_than_the_policy(redis: Redis, tmp_path: Path) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, "", call_id="c1", keep_audio=True) as (bridge, heard):
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")

    assert heard.of("audio.kept") == []


async def test_a_killed_gateway_loses_a_second_and_the_next_one_keeps_the_rest(
    redis: Redis, valkey: ValkeyServer, tmp_path: Path
) -> None:
    names = {f"TRUNKLINE_GATEWAY_{k}".upper(): str(v) for k, v in audio_settings(tmp_path).items()}
    keep = {"TRUNKLINE_GATEWAY_KEEP_AUDIO": "*", **names}
    half = 5 * 8_000

    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with (
            gateway_process(valkey, **keep) as first,
            gateway_process(valkey, **keep) as other,
        ):
            async with calling(first.url, "", call_id="c1", resumable=True) as (bridge, heard):
                ready = await heard.until("ready")
                await stream(bridge, AUDIO[:half], frame=160, pace=20)
                await bridge.send('{"type":"ping"}')
                await heard.until("pong")
                await _until_checkpoint(redis)
                first.running.kill()
                await bridge.wait_closed()
            seen = max(event.get("seq", 0) for event in heard.events)
            async with calling(other.url, "", call_id="c1", token=ready["token"], after=seen) as (
                bridge,
                later,
            ):
                position = (await later.until("ready"))["positions"][0]
                await stream(bridge, AUDIO[position : 2 * half], frame=160, pace=20)
                await bridge.send('{"type":"stop"}')
                await later.until("call.ended")
            await stored_call(it.store, "c1")
            parts = parts_of(it.store, tmp_path, "c1")

    assert len(parts) == 2
    assert [one.is_closed for one in parts] == [False, True]
    whole = heard_in(parts, 0, 2 * half)
    missing = np.flatnonzero(whole != SPOKEN[: 2 * half])
    assert len(missing) <= 8_000
    assert position > 0


async def _until_checkpoint(redis: Redis) -> None:
    """Wait until the checkpoint is in Redis: the bridge then continues behind the start."""
    keys = CallKeys.of("c1", 1)
    before = await redis.hget(keys.meta, "checkpoint")

    async def is_written() -> bool:
        return bool(await redis.hget(keys.meta, "checkpoint") != before)

    await until(is_written)
