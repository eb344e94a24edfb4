"""
Invalid messages may cost a bridge its connection, and have no effect on others.

Each dialect gets its recorded conversations with changed, truncated, repeated and exchanged messages, and JSON
bombs between them. Only a DialectError may be raised, and discarded data may not stay in memory. `make fuzz`
sends 100,000 messages to each dialect; this test sends a few thousand. Seeds are fixed, so a failure can be
repeated.
"""

import base64
import gc
import json
import os
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from support.examples import examples

from protocol.bridge_events import CallOpened, DialectError
from protocol.dialects import registry
from protocol.dialects.base import Dialect, Message, Request

MESSAGES = int(os.environ.get("TRUNKLINE_TEST_FUZZ", examples(1_500)))
_GROWTH = 1_000_000
"""Bytes by which memory may differ at the end: caches of interpreter and libraries."""

_LONGEST = 65_536
"""Of a message, as the gateway lets it through."""

RECORDED = sorted((Path(__file__).parent.parent / "protocol/dialects/recorded").glob("*.jsonl"))

_BOMBS: tuple[Message, ...] = (
    "[" * 60_000,
    '{"event":' * 7_000,
    '{"type":"start","keywords":' + "[" * 50_000,
    '{"event":"start","sequenceNumber":' + "9" * 60_000 + "}",
    '{"type":"start","channels":1e999}',
    '{"type":"start","channels":NaN}',
    '{"type":"start","call_id":"\\ud800"}',
    '{"type":"start","type":"stop","type":"start"}',
    '{"type":"start","call_id":"\\u0000"}',
    "\ufeff{}",
    "null",
    "-0",
    '""',
    b"",
    b"\x00",
    b"\xff" * 4_096,
    b"{" * 4_096,
)

_STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 2**64, -(2**70), 1e308, 0.1, "", "\x00", "..", "a/b", "\u202e", "\ud7ff", "9" * 400,
    "-1", "NaN", "١", [], {}, [[]], {"": {}}, ["x"] * 600, {str(n): n for n in range(100)}, "AAAA", "====", "A" * 9_999,
)  # fmt: skip


def live_call(file: Path) -> tuple[Request, list[Message]]:
    """The request of the connection, and the messages of the bridge."""
    first, *rest = [json.loads(line) for line in file.read_text().splitlines() if line]
    url = urlsplit(first["request"])
    query = tuple(parse_qsl(url.query, keep_blank_values=True))
    return Request(url.path, query, tuple(first.get("headers", {}).items())), list(_said(rest))


def _said(lines: list[Any]) -> Iterator[Message]:
    """See tests/protocol/dialects/recordings.py."""
    for line in lines:
        match line:
            case {"bridge": body}:
                yield json.dumps(body)
            case {"bridge_plain": text}:
                yield text
            case {"bridge_binary": encoded}:
                yield base64.b64decode(encoded)
            case _:
                pass


def bent(message: Message, dice: random.Random) -> Message:
    """The same, with something wrong."""
    if isinstance(message, bytes):
        return _torn(message, dice)
    match dice.randrange(4):
        case 0:
            return _torn(message.encode(), dice).decode(errors="replace")
        case 1:
            return _torn(message.encode(), dice)
        case _:
            try:
                return json.dumps(_twisted(json.loads(message), dice))[:_LONGEST]
            except ValueError:
                return message[: dice.randrange(len(message) + 1)]


def _torn(content: bytes, dice: random.Random) -> bytes:
    torn = bytearray(content)
    for _ in range(dice.randrange(1, 6)):
        place = dice.randrange(len(torn) + 1)
        match dice.randrange(3):
            case 0:
                torn[place : place + dice.randrange(9)] = dice.randbytes(dice.randrange(9))
            case 1:
                del torn[place:]
            case _:
                torn[place:place] = torn[: dice.randrange(64)]
    return bytes(torn[:_LONGEST])


def _twisted(value: Any, dice: random.Random) -> Any:
    """One leaf replaced, left out, or one more added."""
    if isinstance(value, dict) and value and dice.random() < 0.9:
        name = dice.choice(list(value))
        if dice.random() < 0.1:
            return {key: one for key, one in value.items() if key != name}
        return value | {name: _twisted(value[name], dice)}
    if isinstance(value, list) and value and dice.random() < 0.8:
        place = dice.randrange(len(value))
        return [*value[:place], _twisted(value[place], dice), *value[place + 1 :]]
    return dice.choice(_STRANGE)


def spoilt(message: Message, said: list[Message], dice: random.Random) -> Message:
    """In a third of the cases another message than the one that is due."""
    if dice.random() < 0.02:
        return dice.choice(_BOMBS)
    if dice.random() < 0.3:
        return bent(message, dice)
    return dice.choice(said) if dice.random() < 0.1 else message


def harass(request: Request, said: list[Message], count: int, dice: random.Random) -> int:
    """
    Say `count` messages, over as many connections as it takes; how many of these opened a call.

    The first call is opened rightly: whether broken messages open one is chance.
    """
    opened, speaker, place = 0, connect(request), 0
    for _ in range(count):
        message = said[place % len(said)]
        place += 1
        if opened:
            message = spoilt(message, said, dice)
        try:
            events = speaker.receive(message)
            for event in events:
                if isinstance(event, CallOpened):
                    opened += 1
                    speaker.opened(event.call_id or "c-1")
            speaker.outbox()
        except DialectError:
            speaker, place = connect(request), 0
    return opened


def connect(request: Request) -> Dialect:
    return registry.open_dialect(request)


@pytest.mark.parametrize("file", RECORDED, ids=[file.stem for file in RECORDED])
def test_garbage_is_the_bridges_fault_and_leaves_nothing_behind(file: Path) -> None:
    dice = random.Random(file.stem)
    request, said = live_call(file)
    harass(request, said, MESSAGES // 4, dice)  # so that all caches are filled
    gc.collect()
    tracemalloc.start()

    opened = harass(request, said, MESSAGES, dice)

    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert opened > 0
    assert grown < _GROWTH
