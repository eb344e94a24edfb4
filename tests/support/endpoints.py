"""An AudioSocket caller and a reader of server-sent events, over real sockets."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from support.http_client import http_client
from support.pipeline import Event

from protocol.audio import Encoding, Pcm, encode
from protocol.dialects.audiosocket import Frame, FrameSplitter


@dataclass(slots=True)
class Caller:
    """One AudioSocket connection, as Asterisk makes it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, *frames: Frame) -> None:
        """Send frames."""
        for frame in frames:
            self.writer.write(bytes(frame))
        await self.writer.drain()

    async def speak(self, pcm: Pcm, *, kind: int = 0x10, pace: float = 0) -> None:
        """Send sound in frames of 20 ms, `pace` times real time; 0 is as fast as it goes."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        size = {0x10: 160, 0x12: 320}[kind]
        for number, start in enumerate(range(0, len(pcm), size)):
            if pace:
                await asyncio.sleep(began + number * 0.02 / pace - loop.time())
            await self.say(Frame(kind, encode(pcm[start : start + size], Encoding.L16)))

    async def receives(self) -> list[Frame]:
        """All that is said to it until the other side closes."""
        return FrameSplitter().receive(await self.reader.read())


@asynccontextmanager
async def ringing(port: int, uuid: UUID) -> AsyncIterator[Caller]:
    """Open a call and send its UUID; yields the caller."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    caller = Caller(reader, writer)
    try:
        await caller.say(Frame(0x01, uuid.bytes))
        yield caller
    finally:
        writer.close()


@dataclass(frozen=True, slots=True)
class SentEvent:
    """One server-sent event."""

    event: Event
    seq: int | None


async def sent_events(
    url: str, headers: dict[str, str] | None = None
) -> AsyncGenerator[SentEvent, None]:
    """Yield events until the server ends the response.  Raises httpx.HTTPStatusError if it is not a stream."""
    async with (
        http_client() as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        answer.raise_for_status()
        seq: int | None = None
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            match name:
                case "id":
                    seq = int(value)
                case "data":
                    yield SentEvent(json.loads(value), seq)
                    seq = None
                case _:
                    pass
