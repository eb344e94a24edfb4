"""
Bridges and listeners that behave badly, and bad connections to them: section C of docs/reliability.md.

The whole pipeline, human speech, real sockets.
"""

import asyncio
import base64
import json
import random
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import Event, Listener, calling, gateway, pipeline, stream
from support.proxy import LineState, proxied
from support.spoken_calls import AUDIO, assert_whole
from support.stored import stored_call
from support.waiting import PATIENCE
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from broker.redis_keys import Partition
from streaming.settings import GatewaySettings
from workers.engines.base import Hypothesis, Utterance
from workers.job_queue import WorkQueue
from workers.settings import WorkerSettings
from workers.worker import Worker

FRAME = 160
FRAMES = [(at, AUDIO[at : at + FRAME]) for at in range(0, len(AUDIO), FRAME)]


async def send_positioned(
    bridge: ClientConnection, frames: Sequence[tuple[int, bytes]], pace: float
) -> None:
    """Frames of 20 ms with their positions, in the order given."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number, (position, payload) in enumerate(frames):
        await asyncio.sleep(began + number * 0.02 / pace - loop.time())
        await bridge.send(
            json.dumps(
                {
                    "type": "audio",
                    "channel": 0,
                    "position": position,
                    "payload": base64.b64encode(payload).decode(),
                }
            )
        )


async def heard_of(url: str, frames: Sequence[tuple[int, bytes]]) -> Listener:
    async with calling(url, channels=1) as (bridge, heard):
        await send_positioned(bridge, frames, pace=20)
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")
    return heard


def said(heard: Listener) -> list[tuple[str, int, int]]:
    return [
        (final["text"], final["start_ms"], final["end_ms"]) for final in heard.of("segment.final")
    ]


async def test_c4_a_silent_bridge_is_given_up_with_its_last_words_stored(
    redis: Redis, tmp_path: Path
) -> None:
    """Neither a close nor a reset arrives: the line drops everything."""
    settings = GatewaySettings(drain_seconds=0, idle_seconds=1)
    async with pipeline(redis, tmp_path, LengthTeller(), gateway=settings) as it:
        async with (
            proxied(int(it.url.rpartition(":")[2])) as line,
            calling(f"ws://127.0.0.1:{line.port}", call_id="c1") as (bridge, heard),
        ):
            await stream(bridge, AUDIO[: len(AUDIO) // 2], frame=FRAME, pace=20)
            await heard.until("segment.final")
            line.become(LineState.BLACK_HOLE)
            stored = await stored_call(it.store, "c1")

    assert stored.call.ended_reason == "idle"
    assert len(stored.segments) == len(heard.of("speech.started")) > 0
    assert 0 < stored.call.duration <= len(AUDIO) // 2


async def test_c8_frames_that_change_places_or_come_twice_change_nothing(
    redis: Redis, tmp_path: Path
) -> None:
    dice = random.Random(8)
    disturbed: list[tuple[int, bytes]] = []
    for start in range(0, len(FRAMES), 5):  # 100 ms
        window = FRAMES[start : start + 5]
        disturbed += dice.sample(window, len(window)) + dice.sample(window, 1)

    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        straight = await heard_of(it.url, FRAMES)
        crooked = await heard_of(it.url, disturbed)

    assert said(crooked) == said(straight)
    assert crooked.events[-1]["channels"] == straight.events[-1]["channels"]
    assert crooked.of("audio_gap") == []


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1])
async def test_c7_frames_that_never_come_are_accounted_for_and_shift_nothing(
    redis: Redis, tmp_path: Path, share: float
) -> None:
    dice = random.Random(7)
    inner = FRAMES[1:-1]
    lost = set(dice.sample(range(len(inner)), int(len(inner) * share)))
    left = [FRAMES[0], *(one for place, one in enumerate(inner) if place not in lost), FRAMES[-1]]

    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        heard = await heard_of(it.url, left)

    account = heard.events[-1]["channels"][0]
    gaps = [(gap["start_ms"], gap["end_ms"]) for gap in heard.of("audio_gap")]
    assert_whole(heard)
    assert account["lost_upstream_ms"] == 20 * len(lost)
    assert sum(end - start for start, end in gaps) <= 20 * len(lost)
    assert all(0 <= start < end <= len(AUDIO) // 8 for start, end in gaps)


async def test_c21_a_herd_is_let_in_as_far_as_there_is_room_and_spread_otherwise(
    redis: Redis,
) -> None:
    async with gateway(redis, GatewaySettings(drain_seconds=0, max_calls=60)) as url:
        herd = await asyncio.gather(
            *(connect(f"{url}/v1/calls") for _ in range(300)), return_exceptions=True
        )
        inside = [one for one in herd if isinstance(one, ClientConnection)]
        refused = [one.response for one in herd if isinstance(one, InvalidStatus)]
        for one in inside:
            await one.close()

    assert (len(inside), len(refused)) == (60, 240)
    assert {response.status_code for response in refused} == {503}
    # 20 clients for each second, from the next one on: 240 come back within 13 s, on a slow machine sooner
    assert {int(response.headers["Retry-After"]) for response in refused} <= set(range(1, 14))


def deaf(url: str, call_id: str) -> socket.socket:
    """A listener that asks for a call and never reads events."""
    host, _, port = url.removeprefix("ws://").partition(":")
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    raw.connect((host, int(port)))
    raw.sendall(
        f"GET /v1/calls/{call_id}/events HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    return raw


async def left_for(raw: socket.socket) -> bytes:
    """Return the data that was sent until the other side closed the connection."""
    loop, sent = asyncio.get_running_loop(), bytearray()
    raw.setblocking(False)
    try:
        while data := await loop.sock_recv(raw, 65_536):
            sent += data
    except ConnectionResetError:
        pass
    return bytes(sent)


@pytest.mark.long
async def test_c22_a_listener_that_does_not_read_is_disconnected_and_others_are_not_affected(
    redis: Redis, tmp_path: Path
) -> None:
    """Long lists of keywords, which each change repeats, fill any buffer."""
    settings = GatewaySettings(drain_seconds=0, send_seconds=0.5)
    keywords = [f"Wort{number} {'x' * 50}" for number in range(400)]
    async with pipeline(redis, tmp_path, LengthTeller(), gateway=settings) as it:
        async with calling(it.url, call_id="c1", keywords=keywords) as (bridge, heard):
            await heard.until("call.started")
            with deaf(it.url, "c1") as listener:
                for number in range(1, 201):  # 5 MB
                    await bridge.send(json.dumps({"type": "keywords", "keywords": keywords}))
                    await heard.until("keywords.applied", number + 1)
                for _ in range(4):
                    await stream(bridge, AUDIO, frame=FRAME, pace=20)
                await bridge.send('{"type":"stop"}')
                ended = await heard.until("call.ended")
                async with asyncio.timeout(PATIENCE):
                    sent = await left_for(listener)
        again = Listener()
        async with connect(f"{it.url}/v1/calls/c1/events?after=3", max_size=None) as socket_:
            await again.listen(socket_)

    logged = [event for event in heard.events if "seq" in event]
    assert b"keywords.applied" in sent
    assert b"call.ended" not in sent
    assert again.events == logged[3:]
    assert ended["segments"] == len(heard.of("segment.final")) > 10


async def test_c23_a_listener_that_is_cut_off_again_and_again_gets_everything_once(
    redis: Redis, tmp_path: Path
) -> None:
    dice = random.Random(23)
    told: list[Event] = []

    async def listen(url: str) -> None:
        while not told or told[-1]["type"] != "call.ended":
            after = told[-1]["seq"] if told else 0
            async with connect(f"{url}/v1/calls/c1/events?after={after}") as listener:
                for _ in range(dice.randrange(1, 4)):
                    try:
                        event = json.loads(await listener.recv())
                    except ConnectionClosed:
                        break
                    if "seq" in event:
                        told.append(event)
                listener.transport.abort()

    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        listening = asyncio.ensure_future(listen(it.url))
        async with calling(it.url, call_id="c1") as (bridge, heard):
            for _ in range(3):
                await stream(bridge, AUDIO, frame=FRAME, pace=20)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
        async with asyncio.timeout(PATIENCE):
            await listening

    assert told == [event for event in heard.events if "seq" in event]


class Hesitant(LengthTeller):
    """Takes an unpredictable time for each batch, in the thread where engines work."""

    def __init__(self, seed: int) -> None:
        super().__init__(max_batch=1)
        self._dice = random.Random(seed)
        self._hesitate = threading.Event()

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        self._hesitate.wait(self._dice.uniform(0, 0.4))
        return super().transcribe(batch)


async def test_c25_c26_finals_of_several_workers_come_in_order_and_no_partial_behind_them(
    redis: Redis, tmp_path: Path
) -> None:
    others = [
        asyncio.ensure_future(
            Worker(
                WorkQueue(redis, [Partition(0)], f"worker-{number}"),
                [Partition(0)],
                Hesitant(number),
                WorkerSettings(),
            ).run()
        )
        for number in (2, 3)
    ]
    async with pipeline(redis, tmp_path, Hesitant(1)) as it:
        async with calling(it.url, call_id="c1") as (bridge, heard):
            for _ in range(2):
                await stream(bridge, AUDIO, frame=FRAME, pace=20)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
    for other in others:
        other.cancel()
    await asyncio.gather(*others, return_exceptions=True)

    over: list[str] = []
    for event in heard.events:
        if event["type"] == "segment.partial":
            assert event["segment_id"] not in over
        if event["type"] == "segment.final":
            over.append(event["segment_id"])
    assert over == [f"0-{number}" for number in range(heard.events[-1]["segments"])]
    assert len(over) > 5
