"""livekit-agents' Deepgram plugin: URL WAV."""

import asyncio
import sys

import aiohttp
from livekit import rtc
from livekit.agents import stt
from livekit.plugins import deepgram
from phone_line import KEY, report, spoken


async def main(url: str, path: str) -> None:
    async with aiohttp.ClientSession() as http:
        recogniser = deepgram.STT(
            base_url=f"{url.replace('ws', 'http', 1)}/v1/listen",
            api_key=KEY,
            http_session=http,
            sample_rate=8_000,
            keyterm=["pound key"],
        )
        stream = recogniser.stream()
        listening = asyncio.create_task(listen(stream))
        async for frame in spoken(path):
            stream.push_frame(rtc.AudioFrame(frame, 8_000, 1, len(frame) // 2))
        stream.end_input()
        await asyncio.wait_for(listening, 60)
        await stream.aclose()


async def listen(stream: stt.SpeechStream) -> None:
    async for event in stream:
        final = event.type == stt.SpeechEventType.FINAL_TRANSCRIPT
        report(type=event.type, **({"final": event.alternatives[0].text} if final else {}))


asyncio.run(main(*sys.argv[1:]))
