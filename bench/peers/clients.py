"""Clients that play one two-channel call in real time and keep what they are told."""

import asyncio
import contextlib
import json
from collections.abc import Sequence

import numpy as np
import soxr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from protocol.audio import Encoding, Pcm, encode
from protocol.clock import CALL_RATE, ENGINE_RATE

from .heard import Heard, Told

_FRAME_SECONDS = 0.02
_CHUNK_SECONDS = 0.256
"""The audio in one message of WhisperLive's own client."""

_SETTLE_SECONDS = 15.0
"""How long a client waits for texts after the last sample."""


class RefusedError(Exception):
    """The server takes no further client."""


async def play_trunkline(url: str, call_id: str, channels: Sequence[Pcm]) -> list[Heard]:
    """Play one call over the native WebSocket: int16 `[n]` at 8 kHz for each channel."""
    heard = [Heard() for _ in channels]
    audio = encode(np.stack(list(channels), axis=1).reshape(-1), Encoding.MULAW)
    frame = round(CALL_RATE * _FRAME_SECONDS) * len(channels)
    async with connect(f"{url}/v1/calls", compression=None) as socket:
        names = ["agent", "customer"][: len(channels)]
        await socket.send(json.dumps({"type": "start", "call_id": call_id, "channels": names}))
        began = asyncio.get_running_loop().time()
        reading = asyncio.create_task(_read_trunkline(socket, began, heard))
        await _send_paced(socket, audio, frame, _FRAME_SECONDS, began)
        await socket.send('{"type":"stop"}')
        await reading
    return heard


async def _read_trunkline(socket: ClientConnection, began: float, heard: list[Heard]) -> None:
    loop = asyncio.get_running_loop()
    async for message in socket:
        event = json.loads(message)
        if event["type"] not in ("segment.partial", "segment.final"):
            continue
        is_final = event["type"] == "segment.final"
        start, end = event["start_ms"] / 1_000, event["end_ms"] / 1_000
        told = Told(loop.time() - began, start, end, event["text"], is_final)
        heard[event["channel"]].add(told)


async def play_whisper_live(url: str, call_id: str, channels: Sequence[Pcm]) -> list[Heard]:
    """Play one call: one connection for each channel, since a connection has one.  Raises RefusedError."""
    return list(
        await asyncio.gather(
            *(_whisper_live(url, f"{call_id}-{number}", pcm) for number, pcm in enumerate(channels))
        )
    )


async def _whisper_live(url: str, uid: str, pcm: Pcm) -> Heard:
    heard, audio = Heard(), soxr.resample(pcm, CALL_RATE, ENGINE_RATE).tobytes()
    options = {
        "uid": uid,
        "language": "en",
        "task": "transcribe",
        "model": "small",
        "use_vad": True,
    }
    async with connect(url, compression=None) as socket:
        await socket.send(json.dumps(options))
        answer = json.loads(await socket.recv())
        if answer.get("status") == "WAIT":
            raise RefusedError(uid)
        began = asyncio.get_running_loop().time()
        reading = asyncio.create_task(_read_whisper_live(socket, began, heard))
        chunk = 2 * round(ENGINE_RATE * _CHUNK_SECONDS)
        await _send_paced(socket, audio, chunk, _CHUNK_SECONDS, began)
        with contextlib.suppress(TimeoutError):  # it tells texts for as long as the client stays
            await asyncio.wait_for(asyncio.shield(reading), _SETTLE_SECONDS)
        await socket.send(b"END_OF_AUDIO")
        reading.cancel()
    return heard


async def _read_whisper_live(socket: ClientConnection, began: float, heard: Heard) -> None:
    loop = asyncio.get_running_loop()
    known: set[tuple[str, str, bool]] = set()
    with contextlib.suppress(ConnectionClosed):
        async for message in socket:
            for one in json.loads(message).get("segments", ()):
                key = one["start"], one["text"], one["completed"]
                if key in known:  # it repeats its latest segments
                    continue
                known.add(key)
                start, end = float(one["start"]), float(one["end"])
                heard.add(Told(loop.time() - began, start, end, one["text"], one["completed"]))


async def _send_paced(
    socket: ClientConnection, audio: bytes, size: int, seconds: float, began: float
) -> None:
    """Send pieces of `size` bytes, each when its last sample would have been spoken."""
    loop = asyncio.get_running_loop()
    for number, at in enumerate(range(0, len(audio), size), start=1):
        await asyncio.sleep(began + number * seconds - loop.time())
        await socket.send(audio[at : at + size])
