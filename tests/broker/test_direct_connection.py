"""Messages that reach a receiver at once and messages that wait for `recv` stay in order, however bytes arrive."""

import asyncio
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.examples import examples
from websockets.asyncio.server import ServerConnection, unix_serve
from websockets.exceptions import ConnectionClosed

from broker.http.direct_connection import DirectConnection, message_at

MASK = b"\x11\x22\x33\x44"
END = "end"
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def frame(first: int, body: bytes, *, masked: bool = True) -> bytes:
    """A frame of a client; `first`: FIN, reserved bits and opcode."""
    bit, size = (0x80 if masked else 0), len(body)
    if size < 126:
        head = bytes([first, bit | size])
    elif size < 65_536:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    coded = bytes(code ^ MASK[n % 4] for n, code in enumerate(body)) if masked else body
    return head + (MASK if masked else b"") + coded


def whole(message: str | bytes) -> bytes:
    return frame(0x81, message.encode()) if isinstance(message, str) else frame(0x82, message)


@dataclass
class Server:
    """Reads all messages of one connection.  The receiver takes those with an even length."""

    attach_after: int
    """Messages that are read before the receiver is set."""

    at_once: int = 0
    messages: list[str | bytes] = field(default_factory=list)
    closed: asyncio.Future[int] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def take(self, message: str | bytes) -> bool:
        if message == END or len(message) % 2:
            return False
        self.at_once += 1
        self.messages.append(message)
        return True

    async def serve(self, connection: ServerConnection) -> None:
        assert isinstance(connection, DirectConnection)
        try:
            if not self.attach_after:
                connection.receive_directly(self.take)
            async for message in connection:
                self.messages.append(message)
                if len(self.messages) >= self.attach_after:
                    connection.receive_directly(self.take)
        except ConnectionClosed:
            pass
        sent = connection.protocol.close_sent
        self.closed.set_result(sent.code if sent else 0)


async def heard(folder: Path, pieces: Sequence[bytes], attach_after: int = 0) -> tuple[Server, int]:
    """Send `pieces` one after the other.  Returns the server, and the code with which it closed."""
    server, path = Server(attach_after), str(folder / f"s{os.urandom(4).hex()}")
    async with (
        asyncio.timeout(20),
        unix_serve(
            server.serve,
            path,
            create_connection=DirectConnection,
            max_size=70_000,
            compression=None,
        ),
    ):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(REQUEST)
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        writer.write_eof()
        code = await server.closed
        writer.close()
    return server, code


GOODBYE = frame(0x88, b"\x03\xe8")
MESSAGES = st.lists(
    st.text(st.characters(codec="utf-8"), max_size=40)
    | st.binary(max_size=300)
    | st.integers(65_530, 65_540).map(bytes),
    max_size=12,
)


def in_frames(message: str | bytes, cut: int) -> bytes:
    """A message as one frame, or in two fragments with a ping between them."""
    body = message.encode() if isinstance(message, str) else message
    if cut % 3:
        return whole(message)
    opcode, at = (1 if isinstance(message, str) else 2), cut % (len(body) + 1)
    return frame(opcode, body[:at]) + frame(0x89, b"p") + frame(0x80, body[at:])


@settings(
    deadline=None,
    max_examples=examples(30),
    phases=[Phase.explicit, Phase.generate],  # shrinking would take minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    messages=MESSAGES,
    sizes=st.lists(st.integers(1, 500), min_size=1),
    cut=st.integers(0, 99),
    attach_after=st.integers(0, 4),
)
def test_all_messages_arrive_once_and_in_order(
    tmp_path: Path, messages: list[str | bytes], sizes: list[int], cut: int, attach_after: int
) -> None:
    stream = b"".join(in_frames(one, cut + n) for n, one in enumerate(messages)) + GOODBYE
    pieces: list[bytes] = []
    at = 0
    while at < len(stream):
        size = sizes[len(pieces) % len(sizes)] * (1 if len(stream) < 9_000 else 200)
        pieces.append(stream[at : at + size])
        at += size

    server, code = asyncio.run(heard(tmp_path, pieces, attach_after))

    assert server.messages == messages
    assert code == 1000


async def test_a_plain_message_does_not_wait_for_recv(tmp_path: Path) -> None:
    server, _ = await heard(tmp_path, [whole(b"12"), whole("34"), GOODBYE])

    assert server.messages == [b"12", "34"]
    assert server.at_once == 2


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (frame(0x82, b"12", masked=False), 1002),
        (frame(0xC2, b"12"), 1002),
        (frame(0x83, b"12"), 1002),
        (frame(0x80, b"12"), 1002),
        (frame(0x02, b"12") + whole(b"34"), 1002),
        (frame(0x81, b"\xff\xfe"), 1007),
        (frame(0x82, bytes(70_002)), 1009),
    ],
    ids=["mask", "reserved", "opcode", "continuation", "interrupted", "utf-8", "too big"],
)
async def test_a_wrong_frame_is_refused_as_before(tmp_path: Path, wrong: bytes, code: int) -> None:
    server, closed = await heard(tmp_path, [whole(b"12"), wrong, whole(b"56")])

    assert closed == code
    assert server.messages == [b"12"]


@given(st.sampled_from([0x81, 0x82]), st.binary(max_size=300), st.binary(max_size=9))
def test_a_frame_that_is_not_complete_is_no_message(first: int, body: bytes, before: bytes) -> None:
    data = before + frame(first, body)

    assert all(message_at(data[:end], len(before), None) is None for end in range(len(data)))
    assert message_at(data, len(before), len(body) - 1) is None
