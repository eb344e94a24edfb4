"""A Genesys agent pauses the recording: over real sockets, through the whole pipeline."""

import json
from pathlib import Path

from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import Listener, pipeline
from websockets.asyncio.client import connect

SESSION = "c328eb04-b111-435b-a779-3132e23c52b3"
MEDIA = {"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}
SECOND = b"\xff" * 8_000


def message(number: int, kind: str, **parameters: object) -> str:
    head = {"version": "2", "id": SESSION, "type": kind, "seq": number, "serverseq": 0}
    return json.dumps(head | {"position": "PT0S", "parameters": parameters})


async def test_a_pause_is_in_the_account_and_the_clock_goes_on(
    redis: Redis, tmp_path: Path
) -> None:
    opened = {"conversationId": "c1", "participant": {"id": "p1"}, "media": [MEDIA]}

    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        session = {"audiohook-session-id": SESSION}
        async with connect(f"{it.url}/audiohook", additional_headers=session) as bridge:
            await bridge.send(message(1, "open", **opened))
            for _ in range(5):
                await bridge.send(SECOND[:1_600])
            await bridge.send(message(2, "paused"))
            await bridge.send(message(3, "resumed", discarded="PT3S"))
            for _ in range(5):
                await bridge.send(SECOND[:1_600])
            await bridge.send(message(4, "close", reason="end"))
            async for said in bridge:
                if json.loads(said)["type"] == "closed":
                    break
        heard = Listener()
        async with connect(f"{it.url}/v1/calls/c1/events") as reader:
            await heard.listen(reader)

    (gap,) = heard.of("audio_gap")
    assert (gap["start_ms"], gap["end_ms"], gap["account"]) == (1_000, 4_000, "paused")
    last = heard.events[-1]
    assert last["duration_ms"] == 5_000
    assert last["channels"][0]["paused_ms"] == 3_000
    assert last["channels"][0]["lost_upstream_ms"] == 0
