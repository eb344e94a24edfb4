"""Gateways as separate processes, and a bridge that cannot reconnect."""

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redis.asyncio import Redis
from support.valkey import ValkeyServer
from websockets.asyncio.client import ClientConnection, connect

from broker.redis_keys import Partition
from workers.engines.base import Engine
from workers.job_queue import WorkQueue
from workers.settings import WorkerSettings
from workers.worker import Worker

ROOT = Path(__file__).parent.parent.parent
NO_REDACTION = ROOT / "bench" / "no_redaction.toml"
"""A policy for calls of spoken digits, of which every digit is compared with what was said."""

PROGRAM = ("-m", "trunkline", "gateway", "--port", "0")


@dataclass(frozen=True)
class GatewayProcess:
    """URL and process of a gateway; the process may be stopped and continued."""

    url: str
    running: asyncio.subprocess.Process


@asynccontextmanager
async def gateway_process(
    valkey: ValkeyServer, program: Sequence[str] = PROGRAM, **settings: str
) -> AsyncIterator[GatewayProcess]:
    """Run `trunkline gateway`, or another program with its port as ready line; killed at the end."""
    ready, notify = os.pipe()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")},
        "TRUNKLINE_REDIS_URL": valkey.url,
        "TRUNKLINE_GATEWAY_VAD": "webrtc",
        "TRUNKLINE_GATEWAY_REDACTION_POLICY": str(NO_REDACTION),
        "TRUNKLINE_READY_FD": str(notify),
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *program), env=environment, cwd=ROOT, pass_fds=[notify]
    )
    os.close(notify)
    with os.fdopen(ready) as said:
        port = (await asyncio.to_thread(said.readline)).strip()
    try:
        yield GatewayProcess(f"ws://127.0.0.1:{port}", process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def working(redis: Redis, engine: Engine) -> AsyncIterator[None]:
    """Run an additional worker while the context lasts."""
    partitions = [Partition(0)]
    worker = Worker(
        WorkQueue(redis, partitions, "late-worker"), partitions, engine, WorkerSettings()
    )
    running = asyncio.ensure_future(worker.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@dataclass
class TwilioCall:
    """A Twilio media stream of one track: it has one connection and cannot reconnect."""

    socket: ClientConnection
    sent: int = 0
    _tasks: list["asyncio.Future[None]"] = field(default_factory=list)

    async def begin(self, call_id: str) -> None:
        """Send the first messages."""
        start = {
            "callSid": "CA1",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8_000, "channels": 1},
            "customParameters": {"call_id": call_id, "endpointing_ms": "200"},
        }
        await self.socket.send(json.dumps({"event": "start", "start": start}))

    async def speak(self, audio: bytes, *, pace: float = 20) -> None:
        """Send mu-law in frames of 20 ms, `pace` times real time; waits while the gateway does not read."""
        for start in range(0, len(audio), 160):
            await asyncio.sleep(0.02 / pace)
            payload = base64.b64encode(audio[start : start + 160]).decode()
            media = {"track": "inbound", "timestamp": str(self.sent // 8), "payload": payload}
            self.sent += len(audio[start : start + 160])
            await self.socket.send(json.dumps({"event": "media", "media": media}))

    async def hang_up(self) -> None:
        """Send the last message."""
        await self.socket.send('{"event":"stop"}')


@asynccontextmanager
async def twilio_call(url: str, call_id: str) -> AsyncIterator[TwilioCall]:
    """Open a call and send its first messages; yields the call."""
    async with connect(f"{url}/twilio", compression=None, ping_interval=None) as socket:
        call = TwilioCall(socket)
        await call.begin(call_id)
        yield call
