"""What a bridge of each dialect sends, as cheaply as possible, and what its answers mean.  Pure."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .websocket_client import BINARY, TEXT, frame

FRAME = 160
"""Samples of a frame: 20 ms at 8 kHz."""

_SID = "MZ18ad3ab5a668481ce02b83e7395059f0"


@dataclass(frozen=True, slots=True)
class FinalReceived:
    """A final.  `end_ms`: end of its segment; `busy_ms`: time in the engine and in its queue, if told."""

    end_ms: float
    busy_ms: float | None = None


@dataclass(frozen=True, slots=True)
class PartialReceived:
    """A partial that covers the call up to `end_ms`."""

    end_ms: float


@dataclass(frozen=True, slots=True)
class TextMissing:
    """A segment or a gap of audio without text, although the gateway had taken the call."""

    what: str


@dataclass(frozen=True, slots=True)
class Degraded:
    """The load level of the call has changed."""

    level: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The gateway has ended the call.  `heard_ms`: audio of the first channel in its accounts, if told."""

    reason: str
    heard_ms: float | None = None


@dataclass(frozen=True, slots=True)
class CallRefused:
    """The gateway has accepted the connection and refuses the call."""

    reason: str


@dataclass(frozen=True, slots=True)
class Pong:
    """Answer to a probe."""


ServerMessage = (
    FinalReceived | PartialReceived | TextMissing | Degraded | Ended | CallRefused | Pong
)


@dataclass(frozen=True, slots=True)
class Traffic:
    """One dialect."""

    path: str
    opening: Callable[[str], bytes]
    """The frames that open a call with this id."""

    encode: Callable[[int, bytes, bytes], bytes]
    """The frames for frame `n` of a call: `(n, agent, customer)`, each 160 codes of mu-law."""

    closing: bytes
    read: Callable[[bytes], ServerMessage | None]
    """What a message of the gateway means; None if the bench does not need it."""

    has_results: bool
    """Whether results come on the bridge's own connection, not only to listeners."""


def text(body: object) -> bytes:
    """One text message."""
    return frame(TEXT, json.dumps(body).encode())


def _interleaved(_: int, agent: bytes, customer: bytes) -> bytes:
    both = bytearray(2 * len(agent))
    both[::2], both[1::2] = agent, customer
    return frame(BINARY, bytes(both))


def _media(number: int, agent: bytes, customer: bytes) -> bytes:
    return b"".join(
        frame(
            TEXT,
            b'{"event":"media","sequenceNumber":"%d","media":{"track":"%b","chunk":"%d","timestamp":"%d",'
            b'"payload":"%b"},"streamSid":"%b"}'
            % (
                2 * number + place + 2,
                track,
                number + 1,
                20 * number,
                base64.b64encode(audio),
                _SID.encode(),
            ),
        )
        for place, (track, audio) in enumerate(((b"inbound", customer), (b"outbound", agent)))
    )


def _twilio_start(call_id: str) -> bytes:
    start = {
        "streamSid": _SID,
        "callSid": call_id,
        "tracks": ["inbound", "outbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {},
    }
    return text({"event": "start", "start": start})


def read_event(payload: bytes) -> ServerMessage | None:
    """The meaning of a public event, as native bridges and listeners get it."""
    body = _object(payload)
    match body:
        case {"type": "segment.partial", "end_ms": int(end)}:
            return PartialReceived(end)
        case {"type": "segment.final", "end_ms": int(end)}:
            return FinalReceived(end, _busy_ms(body))
        case {"type": "segment.failed" | "segment.dropped", "reason": str(reason)}:
            return TextMissing(reason)
        case {"type": "audio_gap", "reason": str(reason)}:
            return TextMissing(reason)
        case {"type": "degraded", "level": str(level)}:
            return Degraded(level)
        case {"type": "call.ended", "reason": str(reason), "channels": [dict(first), *_]}:
            return Ended(reason, float(sum(first.values())))
        case {"type": "error", "message": str(message)}:
            return CallRefused(message)
        case {"type": "pong"}:
            return Pong()
        case _:
            return None


def _busy_ms(event: Mapping[str, Any]) -> float | None:
    latency = event.get("latency")
    return (
        None if latency is None else float(latency["engine_ms"] + max(0, latency["queue_ms"] - 5))
    )


def _read_deepgram(payload: bytes) -> ServerMessage | None:
    match _object(payload):
        case {"type": "Results", "is_final": bool(final), "start": start, "duration": duration}:
            end = 1_000 * (start + duration)
            return FinalReceived(end) if final else PartialReceived(end)
        case {"type": "Metadata"}:
            return Ended("stop")
        case {"type": "Error", "description": str(reason)}:
            return CallRefused(reason)
        case _:
            return None


def _object(payload: bytes) -> dict[str, Any]:
    """A JSON object; empty if it is none."""
    try:
        body = json.loads(payload)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


TRAFFIC: Mapping[str, Traffic] = {
    "native": Traffic(
        "/v1/calls",
        lambda call_id: text({"type": "start", "call_id": call_id, "channels": 2}),
        _interleaved,
        text({"type": "stop"}),
        read_event,
        has_results=True,
    ),
    "twilio": Traffic(
        "/twilio",
        _twilio_start,
        _media,
        text({"event": "stop", "stop": {}}),
        lambda _: None,
        has_results=False,
    ),
    "deepgram": Traffic(
        "/v1/listen?encoding=mulaw&sample_rate=8000&channels=2&multichannel=true&interim_results=true",
        lambda _: b"",
        _interleaved,
        text({"type": "CloseStream"}),
        _read_deepgram,
        has_results=True,
    ),
}
PING = text({"type": "ping"})
SILENCE = 2 * FRAME * b"\xff"
"""A frame of silence on two channels, in mu-law."""
