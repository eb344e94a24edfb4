"""Plays live calls in real time and records the latency of their events."""

import asyncio
import json
from dataclasses import dataclass, field

from websockets.asyncio.client import connect as connect_socket

from streaming.audio.endpointing_settings import Endpointing

_ENDPOINTING = Endpointing()


@dataclass(slots=True)
class Lags:
    """Latencies in milliseconds, one for each event."""

    final: list[float] = field(default_factory=list)
    """From the end of the segment (its last voiced tick plus the hang-over) to the arrival of the final."""

    partial: list[float] = field(default_factory=list)
    """From the last sample that a partial covers to the arrival of the partial."""


async def one_call(url: str, audio: bytes, delay: float, lags: Lags) -> None:
    """Play `audio` (mu-law, 8 kHz) after `delay` seconds, and record the latencies."""
    loop = asyncio.get_running_loop()
    async with connect_socket(url, compression=None) as socket:
        await asyncio.sleep(delay)
        await socket.send('{"type":"start"}')
        began = loop.time()

        async def listen() -> None:
            async for message in socket:
                _take(json.loads(message), (loop.time() - began) * 1_000, lags)

        listening = asyncio.ensure_future(listen())
        for number, start in enumerate(range(0, len(audio), 160)):
            await asyncio.sleep(began + (number + 1) * 0.02 - loop.time())
            await socket.send(audio[start : start + 160])
        await socket.send('{"type":"stop"}')
        await listening


def _take(event: dict[str, object], now_ms: float, lags: Lags) -> None:
    match event:
        case {"type": "segment.final", "end_ms": int(end)}:
            lags.final.append(now_ms - end - _ENDPOINTING.hangover_ms + _ENDPOINTING.afterroll_ms)
        case {"type": "segment.partial", "end_ms": int(end)}:
            lags.partial.append(now_ms - end)
        case _:
            pass
