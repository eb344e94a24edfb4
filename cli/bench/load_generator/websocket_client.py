"""A frugal WebSocket client (RFC 6455) without an event loop: one thread serves hundreds of connections."""

import base64
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import urlsplit

from protocol.operator_error import OperatorError

TEXT, BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_MOST_UNSENT = 1 << 20
"""Bytes that may wait for a server that does not read, beside what the kernel holds."""

_MOST_HEAD = 1 << 16


class AddressError(OperatorError):
    """The URL cannot be benched.  The text says why."""


class State(Enum):
    """The life of a connection."""

    CONNECTING = auto()
    UPGRADING = auto()
    OPEN = auto()
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class Server:
    """Address of a gateway.  `key`: sent as a bearer token; empty for none."""

    host: str
    port: int
    key: str = ""

    @classmethod
    def of(cls, url: str, key: str = "") -> "Server":
        """Read a URL such as `ws://127.0.0.1:8080`.  Raises AddressError, also for wss://."""
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "http") or not parts.hostname:
            raise AddressError(
                f"{url}: the generator needs ws://HOST:PORT, without TLS; bench the gateway behind its proxy"
            )
        return cls(parts.hostname, parts.port or 80, key)

    def request(self, path: str) -> bytes:
        """Return the request that upgrades to a WebSocket at `path`."""
        nonce = base64.b64encode(os.urandom(16)).decode()
        authorization = f"Authorization: Bearer {self.key}\r\n" if self.key else ""
        return (
            f"GET {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"{authorization}Sec-WebSocket-Key: {nonce}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()


def frame(opcode: int, payload: bytes) -> bytes:
    """One WebSocket frame of a client, masked with zeros: that costs the server the same as any other mask."""
    size = len(payload)
    head = (
        struct.pack("!BB", 0x80 | opcode, 0x80 | size)
        if size < 126
        else struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    )
    return head + bytes(4) + payload


class Connection:
    """One WebSocket.  Nothing here ever blocks; `on_ready` is called when its socket is readable or writable."""

    def __init__(self, server: Server, path: str) -> None:
        """Begin to connect."""
        self.socket = socket.socket()
        self.socket.settimeout(0)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.state = State.CONNECTING
        self.status = 0
        """HTTP status of the answer to the upgrade; 0 before it."""

        self.retry_after: float | None = None
        """Seconds after which the server wants to be asked again, from a refusal."""

        self.close_code: int | None = None
        self.error = ""
        self._unsent = bytearray(server.request(path))
        self._unread = bytearray()
        self.socket.connect_ex((server.host, server.port))

    @property
    def wants_to_write(self) -> bool:
        """Whether the socket must be watched for room to write."""
        return self.state is State.CONNECTING or bool(self._unsent)

    def on_ready(self) -> list[bytes]:
        """Write what waits and read what has arrived.  Returns the payloads of complete messages."""
        if self.state is State.CONNECTING:
            if fault := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.fail(os.strerror(fault))
                return []
            self.state = State.UPGRADING
        self._flush()
        return list(self._receive()) if self.state is not State.CLOSED else []

    def send(self, data: bytes) -> None:
        """Send frames, after those that the server has not taken yet.  A server that never reads is given up."""
        if self.state is State.CLOSED:
            return
        if len(self._unsent) > _MOST_UNSENT:
            self.fail("the server does not read")
            return
        self._unsent += data
        if self.state is not State.CONNECTING:
            self._flush()

    def fail(self, error: str) -> None:
        """Close at once.  `error`: why; empty for a connection that is not needed any more."""
        self.state, self.error = State.CLOSED, self.error or error
        self.socket.close()

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self.socket.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            pass  # the reader learns why the server has closed

    def _receive(self) -> Iterator[bytes]:
        try:
            piece = self.socket.recv(262_144)
        except BlockingIOError:
            return
        except OSError as exc:
            self.fail(exc.strerror or type(exc).__name__)
            return
        self._unread += piece
        if self.state is State.UPGRADING:
            self._upgrade(closed=not piece)
        if self.state is State.OPEN:
            yield from self._messages()
        if not piece and self.state is not State.CLOSED:
            self.fail("closed" if self.close_code is None else "")

    def _upgrade(self, *, closed: bool) -> None:
        """Read the answer to the request, as far as it has come."""
        head, complete, rest = bytes(self._unread).partition(b"\r\n\r\n")
        if not complete:
            if closed or len(head) > _MOST_HEAD:
                self.fail("closed during the handshake")
            return
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        fields = {
            name.lower(): value.strip()
            for name, _, value in (one.partition(":") for one in lines[1:])
        }
        self._unread = bytearray(rest)
        if self.status == 101:
            self.state = State.OPEN
            return
        later = fields.get("retry-after", "")
        self.retry_after = float(later) if later.isdigit() else None
        self.fail(f"HTTP {self.status}")

    def _messages(self) -> Iterator[bytes]:
        while (found := self._next_frame()) is not None:
            opcode, payload = found
            if opcode == _PING:
                self.send(frame(_PONG, payload))
            elif opcode == _CLOSE:
                self.close_code = int.from_bytes(payload[:2]) if payload else 1005
                self.send(frame(_CLOSE, payload[:2]))
            elif opcode != _PONG:
                yield payload

    def _next_frame(self) -> tuple[int, bytes] | None:
        data = self._unread
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
