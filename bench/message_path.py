"""
User CPU of a gateway's message path: from the bytes of a WebSocket to the audio that waits in a channel.

`python bench/message_path.py [--tree TREE]` prints, for several dialects, microseconds for each 20 ms of a call of
two channels, or of its one. Connections, dialects, sessions and channels are those of TREE (by default this one).
The run of all channels and Redis are left out.  Each connection gets one frame per turn of the event loop.  The
bytes go through Unix sockets of this process: system time is not counted.  A figure is the minimum of the
repetitions.
"""

import argparse
import asyncio
import base64
import logging
import os
import resource
import socket
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
if "--tree" in sys.argv:
    sys.path.insert(0, sys.argv[sys.argv.index("--tree") + 1])

import structlog
import uvloop
from websockets.asyncio.server import ServerConnection, unix_serve

from protocol.bridge_events import CallOpened
from protocol.dialects import registry
from protocol.dialects.base import Request
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.crosstalk import CrosstalkDetector
from streaming.audio.quality.monitor import QualityMonitor
from streaming.audio.resampler import internal_rate
from streaming.auth.ws_protocol import bounded_handshakes
from streaming.call.bad_messages import Tolerance
from streaming.call.phase import Phase
from streaming.session.bridge.bridge_session import Session
from streaming.session.calls.channel import Channel
from streaming.session.calls.channel_origin import ChannelOrigin
from streaming.session.calls.live_call import LiveCall

_CONNECTIONS = 20
_FRAMES = 100
_CODES = os.urandom(160)
_L16 = struct.pack("<320h", *(100 * (n % 50) for n in range(320)))
"""20 ms at 16 kHz."""

Frames = Callable[[int], list[str | bytes]]
"""The messages of the frame with this number."""


_PAYLOAD = base64.b64encode(_CODES).decode()
_PAYLOAD_L16 = base64.b64encode(_L16).decode()


def _media(number: int) -> list[str | bytes]:
    return [
        f'{{"event":"media","sequenceNumber":"{2 * number + 2}","media":{{"track":"{track}","chunk":"{number + 1}",'
        f'"timestamp":"{20 * number}","payload":"{_PAYLOAD}"}},"streamSid":"MZ18ad3ab5a668481ce02b83e7395059f0"}}'
        for track in ("inbound", "outbound")
    ]


_TWILIO = (
    '{"event":"start","start":{"callSid":"CA1","tracks":["inbound","outbound"],'
    '"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}}}'
)
_BOTH = bytes(code for one in _CODES for code in (one, 255 - one))
_DEEPGRAM = "/v1/listen?encoding=mulaw&sample_rate=8000&channels=2&multichannel=true"

CASES: dict[str, tuple[str, str | bytes, Frames]] = {
    "native": ("/v1/calls", '{"type":"start","channels":2}', lambda _: [_BOTH]),
    "native, JSON": (
        "/v1/calls",
        '{"type":"start","channels":2}',
        lambda _: [f'{{"type":"audio","channel":{n},"payload":"{_PAYLOAD}"}}' for n in (0, 1)],
    ),
    "twilio": ("/twilio", _TWILIO, _media),
    "telnyx, L16": (
        "/telnyx",
        '{"event":"start","start":{"call_control_id":"v3:1","media_format":{"encoding":"L16","sample_rate":16000}}}',
        lambda n: [
            f'{{"event":"media","media":{{"track":"{track}","timestamp":"{20 * n}","payload":"{_PAYLOAD_L16}"}}}}'
            for track in ("inbound", "outbound")
        ],
    ),
    "deepgram": (_DEEPGRAM, _BOTH, lambda _: [_BOTH]),
    "assemblyai": ("/v3/ws?sample_rate=16000", _L16, lambda _: [_L16]),
    "vonage": (
        "/vonage",
        '{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}',
        lambda _: [_L16],
    ),
    "freeswitch": ("/freeswitch?rate=8k&mix=stereo", '{"uuid":"f1"}', lambda _: [_L16]),
    "asterisk": (
        "/asterisk",
        "MEDIA_START connection_id:c channel:x channel_id:1 format:ulaw optimal_frame_size:160 ptime:20",
        lambda _: [_CODES],
    ),
    "openai": (
        "/v1/realtime?intent=transcription",
        '{"type":"session.update","session":{"type":"transcription","audio":{"input":{"format":{"type":"audio/pcmu"}}}}}',
        lambda _: [f'{{"type":"input_audio_buffer.append","audio":"{_PAYLOAD}"}}'],
    ),
}


class _Batcher:
    """Instead of the run of all channels: takes the audio out of the channels, as a tick does."""

    def __init__(self) -> None:
        self.waiting: dict[Any, None] = {}

    def soon(self, channel: object) -> None:
        self.waiting[channel] = None

    def tick(self) -> int:
        waiting, self.waiting = self.waiting, {}
        samples = 0
        for channel in waiting:
            samples += len(channel._frames.take()[1])
        return samples


class _Rig:
    """Connections with sessions, and sockets that write to them."""

    def __init__(self, path: str, opening: str | bytes, frames: Frames) -> None:
        self._path, self._opening, self._frames = path, opening, frames
        self._batcher = _Batcher()
        self.opened = 0

    async def run(self, repetitions: int) -> float:
        """Return microseconds of user CPU for each frame."""
        with tempfile.TemporaryDirectory() as folder:
            options = {"compression": None, "max_queue": 4, "ping_interval": None}
            connect = bounded_handshakes(lambda: None)
            async with unix_serve(self._serve, f"{folder}/s", create_connection=connect, **options):
                clients = [await self._connected(f"{folder}/s") for _ in range(_CONNECTIONS)]
                used = [await self._repetition(clients, turn) for turn in range(repetitions)]
                for client in clients:
                    client.close()
        return min(used)

    async def _connected(self, path: str) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        client.send(
            f"GET {self._path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        await asyncio.sleep(0.02)
        client.send(_frame(self._opening))
        await asyncio.sleep(0.02)
        return client

    async def _repetition(self, clients: list[socket.socket], turn: int) -> float:
        frames = range(turn * _FRAMES, (turn + 1) * _FRAMES)
        rounds = [[_frame(message) for message in self._frames(n)] for n in frames]
        self._batcher.tick()
        heard, began = 0, resource.getrusage(resource.RUSAGE_SELF).ru_utime
        for messages in rounds:
            for client in clients:
                for message in messages:
                    client.send(message)
            for _ in range(4):
                await asyncio.sleep(0)
            heard += self._batcher.tick()
        used = resource.getrusage(resource.RUSAGE_SELF).ru_utime - began
        if not heard or heard % (_FRAMES * _CONNECTIONS * 160):
            raise SystemExit(f"{self._path}: {heard} samples have arrived")
        return 1e6 * used / (_FRAMES * _CONNECTIONS)

    async def _serve(self, connection: ServerConnection) -> None:
        url = urlsplit(self._path)
        dialect = registry.open_dialect(Request(url.path, tuple(parse_qsl(url.query))))
        limits = {"first_message": 9.0, "send_limit": 9.0, "hold": 0.1, "resume": 0.1}
        await Session(
            connection, dialect, self._begin, tolerance=Tolerance(9, strict=True), **limits
        ).run()

    async def _begin(self, opened: CallOpened, dialect: object, notify: object) -> LiveCall:
        call: Any = SimpleNamespace(
            config=opened.config,
            phase=Phase.LIVE,
            warn_of=print,
            ledger=SimpleNamespace(unsettled=()),
        )
        monitor, crosstalk = QualityMonitor(len(opened.roles), opened.rate), CrosstalkDetector()
        batcher: Any = self._batcher
        channels = [
            Channel(
                number,
                opened.rate,
                ChannelSegmenter(rate=internal_rate(opened.rate)),
                batcher,
                call,
                ChannelOrigin(),
                monitor,
                crosstalk,
            )
            for number in range(len(opened.roles))
        ]
        nothing: Any = None
        checkpoint: Any = SimpleNamespace(token="")
        live = LiveCall(call, channels, nothing, nothing, lambda _: None, checkpoint)
        live.run = _forever  # type: ignore[method-assign]  # without Redis
        live.hang_up = lambda reason: None  # type: ignore[method-assign]
        return live


async def _forever() -> None:
    await asyncio.get_running_loop().create_future()


def _frame(message: str | bytes) -> bytes:
    """A masked WebSocket frame."""
    kind, body = (0x81, message.encode()) if isinstance(message, str) else (0x82, message)
    mask = b"\x11\x22\x33\x44"
    size = bytes([len(body) | 128]) if len(body) < 126 else b"\xfe" + struct.pack("!H", len(body))
    masked = bytes(code ^ mask[n % 4] for n, code in enumerate(body))
    return bytes([kind]) + size + mask + masked


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", default=None)
    parser.add_argument("--repetitions", type=int, default=8)
    parser.add_argument("--only", nargs="*", default=[*CASES])
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    for name in given.only:
        used = uvloop.run(_Rig(*CASES[name]).run(given.repetitions))
        print(f"{name:14} {used:7.1f} us", flush=True)


if __name__ == "__main__":
    main()
