"""openai, realtime transcription: URL WAV."""

import asyncio
import base64
import struct
import sys

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from phone_line import KEY, report, spoken

SESSION = {
    "type": "transcription",
    "audio": {
        "input": {
            "format": {"type": "audio/pcmu"},
            "transcription": {"model": "whisper-1", "language": "en"},
            "turn_detection": {"type": "server_vad"},
        }
    },
}
QUIET_SECONDS = 4
"""Seconds without a new event after which the turns are complete: with server VAD no event reports the end."""


async def main(url: str, path: str) -> None:
    client = AsyncOpenAI(api_key=KEY, websocket_base_url=f"{url}/v1")
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as session:
        await session.session.update(session=SESSION)
        talking = asyncio.create_task(talk(session, path))
        open_items: set[str] = set()
        has_words = False
        while True:
            try:
                event = await asyncio.wait_for(session.recv(), QUIET_SECONDS)
            except TimeoutError:
                if talking.done() and has_words and not open_items:
                    return
                continue
            final = {}
            if event.type == "input_audio_buffer.speech_started":
                open_items.add(event.item_id)
            if event.type == "conversation.item.input_audio_transcription.completed":
                open_items.remove(event.item_id)
                has_words = True
                final = {"final": event.transcript}
            report(type=event.type, parsed=type(event).__name__, **final)


async def talk(session: AsyncRealtimeConnection, path: str) -> None:
    async for frame in spoken(path):
        await session.input_audio_buffer.append(audio=base64.b64encode(mulaw(frame)).decode())
    await session.input_audio_buffer.append(audio=base64.b64encode(b"\xff" * 800).decode())


def mulaw(frame: bytes) -> bytes:
    """G.711: sign, exponent and mantissa, all bits turned round."""
    return bytes(map(mulaw_byte, struct.unpack(f"<{len(frame) // 2}h", frame)))


def mulaw_byte(sample: int) -> int:
    magnitude = min(abs(sample), 32_635) + 132
    exponent = magnitude.bit_length() - 8
    return ~((0x80 if sample < 0 else 0) | exponent << 4 | magnitude >> exponent + 3 & 0xF) & 0xFF


asyncio.run(main(*sys.argv[1:]))
