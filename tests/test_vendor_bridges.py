"""
Human speech through the whole pipeline in the messages of each vendor; a listener reads the text.

The messages come from the vendors' documents and from recorded conversations; no software of a vendor runs here.
"""

import asyncio
import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
from redis.asyncio import Redis
from support.pipeline import Listener, pipeline
from support.waiting import PATIENCE
from websockets.asyncio.client import connect

from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, encode
from transcripts.wer import word_errors
from workers.engines.base import Engine

PROMPT = Path(__file__).parent / "speech" / "prompts" / "conf-invalid.wav"
SAID = "That is not a valid conference number. Please try again."
CALL = "vendor-1"
SESSION = "c328eb04-b111-435b-a779-3132e23c52b3"
HEADERS = {"Audiohook-Session-Id": SESSION, "Audiohook-Organization-Id": SESSION}
"""For AudioHook; other bridges ignore them."""


@dataclass(frozen=True)
class VendorBridge:
    """The messages of one vendor's bridge for a call with one voice."""

    path: str
    before: list[dict[str, Any] | str]
    encoding: Encoding = Encoding.L16
    media: dict[str, Any] | None = None
    """The JSON around the audio in base64; None for binary frames."""

    after: list[dict[str, Any] | str] = field(default_factory=list)
    roles: tuple[str, ...] = ("customer",)
    voice: int = 0
    """The channel that speaks; another one is silent."""

    rate: int = 8_000
    """Hz of the audio."""

    def messages(self, pcm: Pcm) -> Iterator[str | bytes]:
        yield from map(_text, self.before)
        if self.rate != 8_000:
            pcm = soxr.resample(pcm, 8_000, self.rate)
        size = self.rate // 50
        for number, start in enumerate(range(0, len(pcm), size)):
            frame = pcm[start : start + size]
            yield self._frame(number, frame)
        yield from map(_text, self.after)

    def _frame(self, number: int, pcm: Pcm) -> str | bytes:
        if self.media is None and len(self.roles) == 2:
            both = np.zeros((len(pcm), 2), np.int16)
            both[:, self.voice] = pcm
            pcm = both.reshape(-1)
        audio = encode(pcm, self.encoding)
        if self.media is None:
            return audio
        clock = int(self.media.get("timestamp", "0")) + 20 * number
        media = self.media | {"timestamp": str(clock), "chunk": str(number + 1)}
        payload = base64.b64encode(audio).decode()
        return _text({"event": "media", "media": media | {"payload": payload}})


def _text(message: dict[str, Any] | str) -> str:
    return message if isinstance(message, str) else json.dumps(message)


def start(**said: Any) -> dict[str, Any]:
    return {"event": "start", "start": said}


def audiohook(number: int, kind: str, **parameters: Any) -> dict[str, Any]:
    head = {"version": "2", "type": kind, "seq": number, "serverseq": 0, "id": SESSION}
    return head | {"position": "PT0S", "parameters": parameters}


L16_AT_8 = {"encoding": "audio/x-l16", "sampleRate": 8000}
MEDIA = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
STOP: list[dict[str, Any] | str] = [{"event": "stop", "stop": {}}]

BRIDGES = {
    "signalwire": VendorBridge(
        "/signalwire",
        [{"event": "connected"}, start(callSid=CALL, tracks=["inbound"], mediaFormat=L16_AT_8)],
        media={"track": "inbound"},
        after=STOP,
    ),
    "telnyx": VendorBridge(
        "/telnyx?tracks=inbound",
        [start(call_control_id=CALL, media_format={"encoding": "PCMA", "sample_rate": 8000})],
        Encoding.ALAW,
        media={"track": "inbound"},
        after=STOP,
    ),
    "plivo": VendorBridge(
        "/plivo",
        [start(callId=CALL, tracks=["inbound"], mediaFormat=L16_AT_8)],
        media={"track": "inbound", "timestamp": "1795382670000"},
    ),
    "exotel": VendorBridge(
        "/exotel",
        [start(call_sid=CALL, media_format={"encoding": "base64", "sample_rate": "8000"})],
        media={},
        after=STOP,
    ),
    "exotel at 24 kHz": VendorBridge(
        "/exotel?sample-rate=24000",
        [start(call_sid=CALL, media_format={"encoding": "raw", "sample_rate": "24000"})],
        media={},
        after=STOP,
        rate=24_000,
    ),
    "telnyx with L16": VendorBridge(
        "/telnyx?tracks=inbound",
        [start(call_control_id=CALL, media_format={"encoding": "L16", "sample_rate": 16000})],
        media={"track": "inbound"},
        after=STOP,
        rate=16_000,
    ),
    "asterisk at 44.1 kHz": VendorBridge(
        f"/asterisk?callid={CALL}&role=customer",
        ["MEDIA_START connection_id:a channel:W channel_id:1.2 format:slin44"],
        rate=44_100,
    ),
    "asterisk": VendorBridge(
        f"/asterisk?callid={CALL}&role=customer",
        ["MEDIA_START connection_id:a channel:W channel_id:1.2 format:ulaw optimal_frame_size:160"],
        Encoding.MULAW,
    ),
    "freeswitch": VendorBridge(
        "/freeswitch?rate=8k&mix=stereo",
        [{"call_id": CALL}],
        roles=("customer", "agent"),
    ),
    "jambonz": VendorBridge(
        "/jambonz",
        [
            {
                "type": "start",
                "language": "en-US",
                "format": "raw",
                "encoding": "LINEAR16",
                "interimResults": True,
                "sampleRateHz": 8000,
                "options": {"callSid": CALL, "role": "customer"},
            }
        ],
        after=[{"type": "stop"}],
    ),
    "audiohook": VendorBridge(
        "/audiohook",
        [
            audiohook(
                1,
                "open",
                conversationId=CALL,
                participant={"id": "p"},
                media=[MEDIA],
                language="en-US",
            )
        ],
        Encoding.MULAW,
        after=[audiohook(2, "close", reason="end")],
        roles=("customer", "agent"),
    ),
    "vonage": VendorBridge(
        f"/vonage?call_id={CALL}",
        [
            {
                "event": "websocket:connected",
                "content-type": "audio/l16;rate=8000",
                "role": "customer",
            }
        ],
    ),
}


@pytest.mark.parametrize("name", BRIDGES)
async def test_speech_on_a_vendors_bridge_reaches_listeners_as_text(
    name: str, redis: Redis, tmp_path: Path, moonshine: Engine
) -> None:
    bridge = BRIDGES[name]
    pcm = read_recording(PROMPT).channels[0]
    heard = Listener()

    async with pipeline(redis, tmp_path, moonshine) as it, asyncio.timeout(PATIENCE):
        async with connect(f"{it.url}/v1/calls/{CALL}/events") as subscriber:
            listening = asyncio.ensure_future(heard.listen(subscriber))
            async with connect(f"{it.url}{bridge.path}", additional_headers=HEADERS) as calling:
                reading = asyncio.ensure_future(read(calling))
                for message in bridge.messages(pcm):
                    await calling.send(message)
                if bridge.after:  # the others end their call by hanging up
                    await heard.until("call.ended")
            await listening
            await reading

    assert tuple(heard.events[0]["roles"]) == bridge.roles
    assert word_errors(SAID, heard.text(bridge.voice)).rate <= 0.1
    assert heard.of("call.ended")


async def read(calling: Any) -> None:
    """Read the answers, as a bridge does."""
    async for _ in calling:
        pass
