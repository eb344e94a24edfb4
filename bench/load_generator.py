"""
Frugal open-loop load generator: plays two-channel calls at real-time pace over raw sockets.

The schedule is fixed before the run, so a slow server does not slow the generator down.  All sockets are served by
one thread; frames are written with a zero mask, which costs the generator nothing and the server the same as any
other mask.  A probe call asks for a `pong` ten times a second: the time from the scheduled request to the answer is
how long a frame waits for the gateway (frame lag).

Prints one line of JSON at the start of the measured window, and one with the figures at its end.
"""

import argparse
import base64
import json
import os
import select
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.recipe import percentile

FRAME = 160
"""Samples of a frame: 20 ms at 8 kHz."""

_PATHS = {
    "native": "/v1/calls",
    "twilio": "/twilio",
    "deepgram": "/v1/listen?encoding=mulaw&sample_rate=8000&channels=2&multichannel=true&interim_results=true",
}
_PROBE_EVERY = 0.1
_TEXT, _BINARY, _PING, _PONG = 1, 2, 9, 10

Encoder = Callable[[int, bytes, bytes], bytes]
"""The bytes to send for frame `n` of a call: `(n, agent, customer)`, each 160 codes of mu-law."""


def ws_frame(opcode: int, payload: bytes) -> bytes:
    """One WebSocket frame of a client (RFC 6455, section 5.2), masked with zeros."""
    size = len(payload)
    head = (
        struct.pack("!BB", 0x80 | opcode, 0x80 | size)
        if size < 126
        else struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    )
    return head + bytes(4) + payload


def _interleaved(_: int, agent: bytes, customer: bytes) -> bytes:
    both = bytearray(2 * len(agent))
    both[::2], both[1::2] = agent, customer
    return ws_frame(_BINARY, bytes(both))


def _media(number: int, agent: bytes, customer: bytes) -> bytes:
    return b"".join(
        ws_frame(
            _TEXT,
            b'{"event":"media","sequenceNumber":"%d","media":{"track":"%b","chunk":"%d","timestamp":"%d",'
            b'"payload":"%b"},"streamSid":"MZ18ad3ab5a668481ce02b83e7395059f0"}'
            % (2 * number + place + 2, track, number + 1, 20 * number, base64.b64encode(audio)),
        )
        for place, (track, audio) in enumerate(((b"inbound", customer), (b"outbound", agent)))
    )


_ENCODERS: dict[str, Encoder] = {
    "native": _interleaved,
    "deepgram": _interleaved,
    "twilio": _media,
}


def _opening(dialect: str, name: str) -> bytes:
    match dialect:
        case "native":
            return ws_frame(_TEXT, json.dumps({"type": "start", "channels": 2}).encode())
        case "twilio":
            start = {
                "streamSid": f"MZ{name}",
                "callSid": f"CA{name}",
                "tracks": ["inbound", "outbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {},
            }
            return ws_frame(_TEXT, json.dumps({"event": "start", "start": start}).encode())
        case _:
            return b""


@dataclass(slots=True)
class Connection:
    """One WebSocket, after its handshake."""

    socket: socket.socket
    received: bytearray = field(default_factory=bytearray)
    failed: str = ""

    @classmethod
    def open(cls, url: str, path: str) -> "Connection":
        """Connect and upgrade.  Raises OSError if the server refuses."""
        host = urlsplit(url)
        one = socket.create_connection((host.hostname or "", host.port or 80))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        one.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = one.recv(1)
            if not piece:
                raise OSError("the server closed the connection")
            answer += piece
        if b" 101 " not in answer.partition(b"\r\n")[0]:
            raise OSError(answer.partition(b"\r\n")[0].decode())
        one.settimeout(0)
        return cls(one)

    def send(self, data: bytes) -> None:
        """Write all of `data`, or note that the server does not read any more."""
        try:
            if not self.failed and self.socket.send(data) < len(data):
                self.failed = "the server does not read"
        except OSError as exc:
            self.failed = self.failed or str(exc)

    def read(self) -> Iterator[bytes]:
        """Yield the payloads that have arrived; answers pings."""
        try:
            piece = self.socket.recv(262_144)
        except OSError:
            piece = b""
        if not piece:
            self.failed = self.failed or "closed"
            return
        self.received += piece
        while (found := self._next()) is not None:
            opcode, payload = found
            if opcode == _PING:
                self.send(ws_frame(_PONG, payload))
            yield payload

    def _next(self) -> tuple[int, bytes] | None:
        data = self.received
        if len(data) < 2:
            return None
        size, start = data[1] & 127, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(data) < start:
                return None
            size = int.from_bytes(data[2:start])
        if len(data) < start + size:
            return None
        opcode, payload = data[0] & 15, bytes(data[start : start + size])
        del data[: start + size]
        return opcode, payload


class Generator:
    """Plays `calls` calls, each from another place of the recording, and probes the gateway."""

    def __init__(self, url: str, dialect: str, audio: tuple[bytes, bytes], calls: int) -> None:
        self._audio = audio
        self._encode = _ENCODERS[dialect]
        self._frames = len(audio[0]) // FRAME
        self._calls = [Connection.open(url, _PATHS[dialect]) for _ in range(calls)]
        self._probe: Connection | None = None
        self._asked: deque[float] = deque()
        self._epoll = select.epoll()
        self._by_file = {one.socket.fileno(): one for one in self._calls}
        for number, one in enumerate(self._calls):
            one.send(_opening(dialect, f"{os.getpid():08d}{number:024d}"))
        self.lateness: list[float] = []
        self.lags: list[float] = []
        self.sent = 0

    def probe(self, url: str) -> None:
        """Open the probe: a native call that sends no audio."""
        self._probe = Connection.open(url, _PATHS["native"])
        self._probe.send(_opening("native", ""))
        self._by_file[self._probe.socket.fileno()] = self._probe

    def play(self, warm_up: float, seconds: float) -> None:
        """Send frames for `warm_up` seconds, then measure for `seconds`."""
        for number in self._by_file:
            self._epoll.register(number, select.EPOLLIN)
        begins = time.monotonic() + 0.1
        frames = int((warm_up + seconds) * 50)
        measured = int(warm_up * 50)
        asks = begins
        for frame in range(frames):
            if frame == measured:
                self.lateness, self.lags, self.sent = [], [], 0
                print(json.dumps({"window": "begins"}), flush=True)
            for place, call in enumerate(self._calls):
                due = begins + 0.02 * (frame + place / len(self._calls))
                asks = self._ask(asks, due)
                self._wait(due)
                self.lateness.append(time.monotonic() - due)
                call.send(self._next_of(place, frame))
                self.sent += 1

    def _next_of(self, place: int, frame: int) -> bytes:
        at = (frame + place * 977) % self._frames * FRAME
        agent, customer = (side[at : at + FRAME] for side in self._audio)
        return self._encode(frame, agent, customer)

    def _ask(self, at: float, before: float) -> float:
        """Send a probe if one is due `before` that time, in seconds of the clock.  Returns when the next is due."""
        if self._probe and at <= before:
            self._wait(at)
            self._asked.append(at)
            self._probe.send(ws_frame(_TEXT, b'{"type":"ping"}'))
            return at + _PROBE_EVERY
        return at

    def _wait(self, until: float) -> None:
        """Read what arrives until then."""
        while True:
            left = until - time.monotonic()
            for number, _ in self._epoll.poll(max(0.0, left), 64):
                self._read(self._by_file[number], number)
            if left <= 0:
                return

    def _read(self, one: Connection, number: int) -> None:
        for payload in one.read():
            if one is self._probe and b'"pong"' in payload and self._asked:
                self.lags.append(time.monotonic() - self._asked.popleft())
        if one.failed:
            self._epoll.unregister(number)

    @property
    def failures(self) -> list[str]:
        """What went wrong with each call that failed."""
        return [one.failed for one in self._calls if one.failed]


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("audio", type=Path, help="two channels of mu-law, one behind the other")
    parser.add_argument("--dialect", choices=_PATHS, default="native")
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--warm-up", type=float, default=12.0)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--probe", action="store_true")
    options = parser.parse_args()
    raw = options.audio.read_bytes()
    audio = raw[: len(raw) // 2], raw[len(raw) // 2 :]
    generator = Generator(options.url, options.dialect, audio, options.calls)
    if options.probe:
        generator.probe(options.url)
    began = time.process_time()
    generator.play(options.warm_up, options.seconds)
    figures = {
        "frames": generator.sent,
        "lateness_ms": [1_000 * percentile(generator.lateness, share) for share in (0.5, 0.99)],
        "lag_ms": [1_000 * percentile(generator.lags, share) for share in (0.5, 0.99)],
        "probes": len(generator.lags),
        "unanswered": len(generator._asked),
        "failures": generator.failures,
        "generator_cpu_s": time.process_time() - began,
    }
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
