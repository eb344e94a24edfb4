"""One gateway of two processes, with real processes and a real Valkey."""

import asyncio
import base64
import contextlib
import itertools
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis
from support.credentials import bearer, site
from support.engines import LengthTeller
from support.gateway_groups import GatewayGroup, gateway_group, is_alive
from support.gateways import working
from support.pipeline import Listener, calling, stream
from support.valkey import ValkeyServer
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidMessage,
    InvalidStatus,
)

from cli.recording import read_recording
from protocol.audio import Encoding, encode
from streaming.session.group_streams import home_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="SO_REUSEPORT spreads on Linux")

ROOT = Path(__file__).parent.parent
PROMPTS = sorted((ROOT / "tests" / "speech" / "prompts").glob("*.wav"))
SILENCE = np.zeros(8_000, dtype=np.int16)
SPEECH = np.concatenate(
    [part for path in PROMPTS[:2] for part in (read_recording(path).channels[0], SILENCE)]
)
AUDIO = encode(SPEECH, Encoding.MULAW)
HALF = len(AUDIO) // 2

FORWARDED = "trunkline_forwarded_streams_total"
LOST = 120
"""Seconds after which a test gives up: nothing waits for them to pass."""

Bridge = tuple[ClientConnection, Listener]


async def one_call_for_each(
    group: GatewayGroup, opened: AsyncExitStack, key: str = ""
) -> dict[str, Bridge]:
    """Open calls until every process has one; the others are closed.  The number of the process is their key."""
    kept: dict[str, Bridge] = {}
    while len(kept) < 2:
        before = await group.by_process("trunkline_active_calls")
        async with AsyncExitStack() as trying:
            call_id = f"c{len(kept)}"
            bridge = await trying.enter_async_context(
                calling(group.url, key, call_id=call_id, resumable=True)
            )
            await bridge[1].until("ready")
            after = await group.by_process("trunkline_active_calls")
            (number,) = (one for one in after if after[one] > before[one])
            if number not in kept:
                kept[number] = bridge
                await opened.enter_async_context(trying.pop_all())
                continue
            await bridge[0].send('{"type":"stop"}')
            await bridge[1].until("call.ended")
        await group.until_calls(len(kept))
    return kept


async def whole_log(url: str, call_id: str) -> Listener:
    reader = Listener()
    async with connect(f"{url}/v1/calls/{call_id}/events?after=0") as socket:
        await reader.listen(socket)
    return reader


def assert_whole(log: Listener) -> None:
    """No hole in the log, one terminal event for each segment, an account that adds up."""
    logged = [event["seq"] for event in log.events if "seq" in event]
    kinds = ("segment.final", "segment.failed", "segment.dropped")
    ended = sorted(event["segment_id"] for kind in kinds for event in log.of(kind))
    last = log.events[-1]
    assert logged == list(range(1, len(logged) + 1))
    assert ended == sorted({event["segment_id"] for event in log.of("speech.started")})
    assert (last["type"], last["reason"]) == ("call.ended", "completed")
    assert last["duration_ms"] == len(AUDIO) // 8
    assert all(sum(one.values()) == last["duration_ms"] for one in last["channels"])
    assert all(one["lost_upstream_ms"] == 0 for one in last["channels"])


async def finish(group: GatewayGroup, call_id: str, token: str) -> None:
    """Come back to a call, as a bridge does whose connection is lost, and play it to its end."""
    async with calling(group.url, call_id=call_id, token=token) as (bridge, heard):
        position = (await heard.until("ready"))["positions"][0]
        await stream(bridge, AUDIO[position:], frame=160, pace=20)
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")


@pytest.mark.timeout(LOST)
async def test_calls_of_a_process_that_is_killed_go_on_in_the_group_and_lose_nothing(
    valkey: ValkeyServer, redis: Redis
) -> None:
    async with (
        gateway_group(valkey, TRUNKLINE_GATEWAY_DRAIN_SECONDS="60") as group,
        working(redis, LengthTeller()),
        AsyncExitStack() as opened,
    ):
        calls = await one_call_for_each(group, opened)
        tokens = {number: heard.of("ready")[0]["token"] for number, (_, heard) in calls.items()}
        ids = {number: heard.of("ready")[0]["call_id"] for number, (_, heard) in calls.items()}
        for bridge, _ in calls.values():
            await stream(bridge, AUDIO[:HALF], frame=160, pace=20)
        before = group.processes

        group.kill("0")
        await calls["0"][0].wait_closed()
        _, said = await group.get("/readyz")
        await finish(group, ids["0"], tokens["0"])
        await group.until_ready()
        after = group.processes
        up = await group.by_process("trunkline_process_up")
        first = await whole_log(group.url, ids["0"])

        group.parent.send_signal(signal.SIGTERM)  # the other call may come to its end
        await group.until_draining()
        draining = (await group.get("/readyz"))[1]
        bridge, heard = calls["1"]
        await stream(bridge, AUDIO[HALF:], frame=160, pace=20)
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")
        status = await group.parent.wait()

    assert set(before) == set(after) == {"0", "1"}
    assert (before["0"] != after["0"], before["1"] == after["1"]) == (True, True)
    assert said.startswith("ready\n")
    assert up == {"0": 1.0, "1": 1.0}
    assert draining == "draining\n"
    assert status == 0
    assert_whole(first)
    assert_whole(Listener([one for one in heard.events if one["type"] != "ready"]))


@pytest.mark.timeout(LOST)
@pytest.mark.long
async def test_a_second_signal_ends_all_processes_at_once(valkey: ValkeyServer) -> None:
    async with (
        gateway_group(valkey, TRUNKLINE_GATEWAY_DRAIN_SECONDS="600") as group,
        calling(group.url, call_id="c1", resumable=True) as (_, heard),
    ):
        await heard.until("ready")
        processes = group.processes
        group.parent.send_signal(signal.SIGTERM)
        await group.until_draining()
        group.parent.send_signal(signal.SIGTERM)
        status = await group.parent.wait()

    assert status == 128 + signal.SIGTERM
    assert not [one for one in processes.values() if is_alive(one)]


@pytest.mark.timeout(LOST)
async def test_limits_of_a_tenant_count_over_all_processes_and_a_wrong_key_costs_redis_nothing(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    keyed = site(tmp_path)
    settings = {"KEYS_FILE": str(keyed.file), "CALLS_PER_TENANT": "3", "LISTENERS_PER_KEY": "2"}
    named = {f"TRUNKLINE_GATEWAY_{name}": value for name, value in settings.items()}

    async def status(key: str, path: str = "/v1/calls") -> int:
        try:
            async with connect(f"{group.url}{path}", additional_headers=bearer(key)):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    async with gateway_group(valkey, **named) as group, AsyncExitStack() as opened:
        wrong = {await status("tk_wrong"), await status(keyed.revoked), await status(keyed.expired)}
        used_by_wrong_keys = await redis.keys("trunkline:usage:*")
        calls = await one_call_for_each(group, opened, keyed.acme)
        await opened.enter_async_context(calling(group.url, keyed.acme_bridge, call_id="third"))
        full = {await status(keyed.acme) for _ in range(12)}  # whichever process they reach
        other = await status(keyed.globex)
        for _ in range(2):
            headers = bearer(keyed.acme_reader)
            url = f"{group.url}/v1/calls/third/events"
            await opened.enter_async_context(connect(url, additional_headers=headers))
        listeners = {await status(keyed.acme_reader, "/v1/calls/third/events") for _ in range(12)}
        bridge, heard = calls["0"]
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")
        while (again := await status(keyed.acme)) == 429:
            pass

    assert (wrong, used_by_wrong_keys) == ({401}, [])
    assert (full, other, listeners, again) == ({429}, 101, {429}, 101)


def tracks(call_id: str, track: str) -> str:
    """The start of a Twilio stream with one party of a call."""
    said = {"call_id": call_id, "join": "customer-agent"}
    audio = {"encoding": "audio/x-mulaw", "sampleRate": 8_000, "channels": 1}
    body = {"callSid": f"CA-{track}", "tracks": [track], "mediaFormat": audio}
    return json.dumps({"event": "start", "start": body | {"customParameters": said}})


def media(audio: bytes, track: str, start: int) -> str:
    payload = base64.b64encode(audio).decode()
    said = {"track": track, "timestamp": str(start // 8), "payload": payload}
    return json.dumps({"event": "media", "media": said})


async def party(url: str, call_id: str, track: str) -> None:
    """Play one party of a call as a stream of its own."""
    async with connect(f"{url}/twilio", compression=None) as socket:
        await socket.send(tracks(call_id, track))
        for start in range(0, len(AUDIO), 160):
            await asyncio.sleep(0.001)
            await socket.send(media(AUDIO[start : start + 160], track, start))
        await socket.send('{"event":"stop"}')
        with contextlib.suppress(ConnectionClosedOK):
            await socket.recv()


def names_at(home: int) -> Iterator[str]:
    """Call ids of joined calls that this process has."""
    return (name for number in itertools.count() if home_of(name := f"c{number}", 2) == home)


@pytest.mark.timeout(LOST)
async def test_streams_of_a_call_that_reach_different_processes_are_one_call(
    valkey: ValkeyServer, redis: Redis
) -> None:
    names = [names_at(home) for home in (0, 1)]
    async with gateway_group(valkey) as group, working(redis, LengthTeller()):
        ids: list[str] = []
        while not ids or not sum((await group.by_process(FORWARDED)).values()):
            ids += [next(one) for one in names]
            parties = itertools.product(ids[-2:], ("inbound", "outbound"))
            await asyncio.gather(*(party(group.url, *one) for one in parties))
        logs = [await whole_log(group.url, one) for one in ids]
        begun = await group.by_process("trunkline_calls_total", how="begun")

    for log in logs:
        assert log.events[0]["roles"] == ["customer", "agent"]
        assert {one["role"] for one in log.of("segment.final")} == {"customer", "agent"}
        assert log.events[-1]["reason"] == "completed"
    assert sum(begun.values()) == len(ids)
    assert begun == dict.fromkeys("01", len(ids) / 2)


async def come_back(url: str, call_id: str, track: str) -> None:
    """Play a party; while its call cannot be had, connect again as bridges do."""
    while True:
        try:
            await party(url, call_id, track)
        except (ConnectionClosedError, InvalidMessage, OSError):  # a dying process may take it
            await asyncio.sleep(0.5)
        else:
            return


@pytest.mark.waits
@pytest.mark.timeout(LOST)
async def test_a_stream_whose_call_was_in_a_killed_process_comes_back_to_its_call(
    valkey: ValkeyServer, redis: Redis
) -> None:
    call_id = next(names_at(0))
    async with (
        gateway_group(valkey, TRUNKLINE_GATEWAY_RESUME_SECONDS="6") as group,
        working(redis, LengthTeller()),
    ):
        begun = asyncio.ensure_future(first_event(group.url, call_id))
        async with connect(f"{group.url}/twilio", compression=None) as socket:
            await socket.send(tracks(call_id, "inbound"))
            await begun
            group.kill("0")
            await socket.wait_closed()
        await come_back(group.url, call_id, "inbound")
        log = await whole_log(group.url, call_id)

    assert socket.close_code in (1006, 1012), "the connection was lost, or its call was"
    assert len(log.of("call.started")) == 1
    assert log.events[-1]["reason"] == "completed"
    assert log.of("segment.final")


async def first_event(url: str, call_id: str) -> None:
    """Wait until a call has begun."""
    async with connect(f"{url}/v1/calls/{call_id}/events") as socket:
        await socket.recv()
