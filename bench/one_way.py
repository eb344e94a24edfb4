"""A bridge that cannot reconnect, such as a Twilio media stream: a broken connection ends what it sends."""

import asyncio
import base64
import contextlib
import json
import random

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from bench.bridge import Bridge, CallScript

_FRAME = 160
_MARGIN = 16_000
"""Samples that may have been on their way to the gateway when it died."""

_FAREWELL = 240.0
"""Seconds within which the log of a call whose connection broke must have its end."""

_TROUBLE = (OSError, InvalidHandshake, ConnectionClosed, TimeoutError)


class OneWayBridge(Bridge):
    """Streams a script once; another call sends what is left when the connection breaks."""

    def __init__(self, said: CallScript, urls: list[str], pace: float, dice: random.Random) -> None:
        super().__init__(said, urls, pace, dice)
        self.silent = asyncio.Event()
        """Set when the bridge sends nothing more: all is sent, or its connection is broken."""

        self._sent = 0

    @property
    def is_void(self) -> bool:
        """Return whether the connection broke before any audio had to be processed, and none was."""
        return not self.heard and not self.log

    def rest(self, call_id: str) -> CallScript | None:
        """Return what is left to send, for another call."""
        return self.script.rest(call_id, self._sent)

    def followed_by(self, said: CallScript, dice: random.Random) -> "OneWayBridge":
        """Return another call to the same gateways."""
        return OneWayBridge(said, self._urls, self._pace, dice)

    async def run(self) -> None:
        """Wait until the call has ended and its log has been read."""
        listening = asyncio.ensure_future(self._follow())
        try:
            await self._say_it()
            self.silent.set()
            if self.heard or self.seen:
                await asyncio.wait([listening], timeout=_FAREWELL)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            self._ended.set()
        self.log = [self.seen[seq] for seq in sorted(self.seen)]

    async def _say_it(self) -> None:
        """Send the script, or as much as one connection takes."""
        while not self._connected.is_set():
            with contextlib.suppress(*_TROUBLE):
                url = f"{self._dice.choice(self._urls)}/twilio"
                async with connect(url, compression=None, ping_interval=None) as socket:
                    await socket.send(json.dumps({"event": "start", "start": self._parameters()}))
                    self._connected.set()
                    await self._stream(socket, 0)
                    await socket.send('{"event":"stop"}')
                    self._sent = len(self.script.audio)
                    await socket.wait_closed()
                    return
            await asyncio.sleep(self._dice.uniform(0.05, 0.3))
        self._connected.clear()
        if self._sent < len(self.script.audio):
            self.heard = max(0, self._sent - _MARGIN)
            self.cuts.append(self.heard)

    def _parameters(self) -> dict[str, object]:
        return {
            "callSid": self.call_id,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8_000, "channels": 1},
            "customParameters": {
                "call_id": self.call_id,
                "language": self.script.language,
                "partials": "false",
            },
        }

    async def _stream(self, socket: ClientConnection, position: int) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, start in enumerate(range(position, len(self.script.audio), _FRAME)):
            await asyncio.sleep(began + number * 0.02 / self._pace - loop.time())
            payload = base64.b64encode(self.script.audio[start : start + _FRAME]).decode()
            media = {"track": "inbound", "timestamp": str(start // 8), "payload": payload}
            await socket.send(json.dumps({"event": "media", "media": media}))
            self._sent = start + _FRAME

    async def _follow(self) -> None:
        """Read the log as a separate listener, from any gateway, until the call has ended."""
        while not self._ended.is_set():
            with contextlib.suppress(*_TROUBLE):
                after = max(self.seen, default=0)
                path = f"/v1/calls/{self.call_id}/events?after={after}"
                url = f"{self._dice.choice(self._urls)}{path}"
                async with connect(url, compression=None, open_timeout=5) as socket:
                    await self._listen(socket)
            await asyncio.sleep(self._dice.uniform(0.2, 0.6))
