"""Calls in progress through a real gateway and a worker whose engine costs nothing, for benchmarks of pages."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.client import connect as connect_socket
from websockets.exceptions import ConnectionClosed, InvalidStatus

from cli.bench.servers.server_process import server_process
from cli.recording import read_recording
from protocol.audio import Encoding, encode

_ROOT = Path(__file__).resolve().parent.parent
_DEMO = _ROOT / "cli" / "demo" / "call.wav"
_FRAME_SECONDS = 0.06
_FRAME = 2 * 480
"""Bytes of a frame: 60 ms of two channels in mu-law."""

_APART_SECONDS = 0.1
"""Time between the beginnings of two calls."""

_AGAIN_SECONDS = 2.0

Send = Callable[[str | bytes], Awaitable[None]]


@dataclass(slots=True)
class GatewayCall:
    """One call.  `finals` and `partials`: how many its bridge has received; `refused`: how often it had to try."""

    call_id: str
    finals: int = 0
    partials: int = 0
    refused: int = 0

    async def run(self, url: str, audio: bytes, until: asyncio.Event) -> None:
        """Stream `audio` in real time, again and again, until `until` is set; then end the call."""
        while not until.is_set():
            try:
                await self._call(url, audio, until)
            except* (
                ConnectionClosed,
                InvalidStatus,
            ):  # the gateway has no room: it asks to try again
                self.refused += 1
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _call(self, url: str, audio: bytes, until: asyncio.Event) -> None:
        async with connect_socket(f"{url}/v1/calls", compression=None) as socket:
            start = {
                "type": "start",
                "call_id": self.call_id,
                "channels": ["agent", "customer"],
                "keywords": ["Acme", "invoice", "Orvanta"],
                "metadata": {"agent": f"Agent {self.call_id[-4:]}", "from": "+15550100"},
            }
            await socket.send(json.dumps(start))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._stream(socket.send, audio, until))
                async for message in socket:
                    self._count(json.loads(message)["type"])

    async def _stream(self, send: Send, audio: bytes, until: asyncio.Event) -> None:
        loop, number = asyncio.get_running_loop(), 0
        began = loop.time()
        while not until.is_set():
            at = number * _FRAME % (len(audio) - _FRAME)
            await send(audio[at : at + _FRAME])
            number += 1
            await asyncio.sleep(began + number * _FRAME_SECONDS - loop.time())
        await send('{"type":"stop"}')

    def _count(self, kind: str) -> None:
        self.finals += kind == "segment.final"
        self.partials += kind == "segment.partial"


@contextlib.asynccontextmanager
async def gateway_and_worker(valkey_url: str) -> AsyncIterator[str]:
    """Run both as processes.  Yields the URL of the gateway."""
    environment = {"TRUNKLINE_REDIS_URL": valkey_url, "OMP_NUM_THREADS": "1"}
    gateway = "-m", "trunkline", "gateway", "--port", "0"
    worker = str(_ROOT / "bench" / "reciting_worker.py")
    async with (
        server_process(worker, environment=environment, tree=_ROOT),
        server_process(*gateway, environment=environment, tree=_ROOT) as running,
    ):
        yield f"ws://127.0.0.1:{running.port}"


async def talk(url: str, count: int, until: asyncio.Event, into: list[Any]) -> list[GatewayCall]:
    """Play `count` calls at the gateway `url` until `until` is set; each begins elsewhere in the demo call."""
    both = np.stack(read_recording(_DEMO).channels[:2], axis=1).reshape(-1)
    audio = encode(both, Encoding.MULAW)
    calls = [GatewayCall(f"call-{4200 + number}") for number in range(count)]
    into += calls
    async with asyncio.TaskGroup() as tasks:
        for number, call in enumerate(calls):
            place = len(audio) * number // count // 2 * 2
            tasks.create_task(call.run(url, audio[place:] + audio[:place], until))
            await asyncio.sleep(_APART_SECONDS)
    return calls
