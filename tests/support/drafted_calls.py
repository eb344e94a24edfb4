"""Calls with one prompt and a pause behind it, in which the worker makes a draft."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from websockets.asyncio.client import ClientConnection

from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, encode
from workers.settings import WorkerSettings

from .pipeline import Event, Listener, stream

PROMPT = sorted((Path(__file__).parent.parent / "speech" / "prompts").glob("*.wav"))[0]
PATIENT = WorkerSettings(stale_partial_ms=600_000)
RETRY_SECONDS = 20.0
"""How long a test waits for a draft: a worker that is late for a moment makes none, and the test calls again."""


@dataclass(frozen=True)
class DraftedCall:
    """A call whose only segment is in a pause."""

    call_id: str
    bridge: ClientConnection
    heard: Listener

    async def end(self) -> Event:
        """Stop the call, and return its last event."""
        await self.bridge.send('{"type":"stop"}')
        return await self.heard.until("call.ended")


def speech() -> Pcm:
    """A telephone prompt without the silence behind it."""
    pcm = read_recording(PROMPT).channels[0]
    return pcm[: int(np.flatnonzero(np.abs(pcm) > 500)[-1])]


async def send(bridge: ClientConnection, pcm: Pcm) -> None:
    """Send mu-law at 20 times real time."""
    await stream(bridge, encode(pcm, Encoding.MULAW), frame=160, pace=20)
