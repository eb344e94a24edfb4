"""deepgram-sdk, live: URL WAV [QUERY PARAMETER=VALUE ...]."""

import asyncio
import sys

from deepgram import AsyncDeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v1.socket_client import AsyncV1SocketClient
from phone_line import KEY, report, spoken


async def main(url: str, path: str, *options: str) -> None:
    here = DeepgramClientEnvironment(
        base=url.replace("ws", "http", 1), production=url, agent=url, agent_rest=url
    )
    client = AsyncDeepgramClient(api_key=KEY, environment=here)
    wanted: dict[str, list[str]] = {}
    for name, value in (option.split("=", 1) for option in options):
        wanted.setdefault(name, []).append(value)
    async with client.listen.v1.connect(
        model="nova-3",
        encoding="linear16",
        sample_rate=8_000,
        interim_results="true",
        vad_events="true",
        utterance_end_ms="1000",
        keyterm=["pound key"],
        **wanted,
    ) as call:
        listening = asyncio.create_task(listen(call))
        async for frame in spoken(path):
            await call.send_media(frame)
        await call.send_keep_alive()
        await call.send_finalize()
        await call.send_close_stream()
        await asyncio.wait_for(listening, 60)


async def listen(call: AsyncV1SocketClient) -> None:
    async for message in call:
        body = message if isinstance(message, dict) else message.model_dump()
        best = body["channel"]["alternatives"][0] if body["type"] == "Results" else {}
        text = {"final": best["transcript"]} if body.get("is_final") else {}
        report(type=body["type"], parsed=type(message).__name__, body=body, **text)


asyncio.run(main(*sys.argv[1:]))
