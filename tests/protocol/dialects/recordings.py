"""
Recorded conversations, one JSON object a line.

    request        the path and query string that the bridge asked for, and its headers
    bridge         a text message of the bridge
    bridge_plain   the same, where it is not JSON
    bridge_binary  a binary message, in base64
    log            the kind of an event in the call's log, `event` its fields
    us             what we have to answer to the line before it
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from protocol import events
from protocol.bridge_events import BridgeEvent, CallOpened
from protocol.dialects import registry
from protocol.dialects.base import Dialect, Request
from protocol.events import Entry, Partial
from protocol.events.event_codec import entry_of

FOLDER = Path(__file__).parent / "recorded"


@dataclass
class RecordedTurn:
    """Something happens; `answers` are the JSON messages that go out at once."""

    happens: str | bytes | Entry
    answers: list[Any] = field(default_factory=list)


@dataclass
class DialectRecording:
    request: Request
    turns: list[RecordedTurn]
    greeting: list[Any] = field(default_factory=list)
    """Our messages before the first message of the bridge."""

    @property
    def messages(self) -> list[str | bytes]:
        return [turn.happens for turn in self.turns if not isinstance(turn.happens, Entry)]

    def open(self) -> Dialect:
        return registry.open_dialect(self.request)


def request(target: str, headers: dict[str, str] | None = None) -> Request:
    url = urlsplit(target)
    query = tuple(parse_qsl(url.query, keep_blank_values=True))
    return Request(url.path, query, tuple((headers or {}).items()))


def load(name: str) -> DialectRecording:
    return parse((FOLDER / f"{name}.jsonl").read_text())


def parse(text: str) -> DialectRecording:
    """`text`: the lines of a recording."""
    first, *rest = (json.loads(line) for line in text.splitlines())
    recording = DialectRecording(request(first["request"], first.get("headers")), [])
    seq = 0
    for line in rest:
        match line:
            case {"us": answer}:
                said = recording.turns[-1].answers if recording.turns else recording.greeting
                said.append(answer)
                continue
            case {"bridge": message}:
                turn = RecordedTurn(json.dumps(message))
            case {"bridge_plain": message}:
                turn = RecordedTurn(message)
            case {"bridge_binary": message}:
                turn = RecordedTurn(base64.b64decode(message))
            case {"log": kind, "event": event}:
                made = msgspec.convert(event, getattr(events, kind))
                seq += not isinstance(made, Partial)
                turn = RecordedTurn(entry_of(made, None if isinstance(made, Partial) else seq))
            case unknown:
                raise AssertionError(f"a recording has no line like {unknown}")
        recording.turns.append(turn)
    return recording


def names() -> Iterator[str]:
    """One recording for each dialect at least; further ones are called after a dot."""
    yield from sorted(path.stem for path in FOLDER.glob("*.jsonl"))


def replay(
    recording: DialectRecording,
) -> tuple[list[BridgeEvent], list[tuple[RecordedTurn, list[Any]]]]:
    """Replay a recording. Returns the events of the bridge, and our messages after each turn."""
    dialect = recording.open()
    heard: list[BridgeEvent] = []
    greeting = RecordedTurn("", recording.greeting)
    answered = [(greeting, [json.loads(message) for message in dialect.outbox()])]
    for turn in recording.turns:
        if isinstance(turn.happens, Entry):
            dialect.notify(turn.happens)
        else:
            heard += (new := dialect.receive(turn.happens))
            for event in new:
                if isinstance(event, CallOpened):
                    dialect.opened(event.call_id or "call-made-up")
        answered.append((turn, [json.loads(message) for message in dialect.outbox()]))
    return heard, answered


def opening(name: str) -> tuple[Request, dict[str, Any]]:
    """The request and the opening message of a recording."""
    recording = load(name)
    for message in recording.messages:
        if isinstance(message, str) and message.startswith("{"):
            events = recording.open().receive(message)
            if any(isinstance(event, CallOpened) for event in events):
                return recording.request, json.loads(message)
    raise LookupError(name)


def _has_opening(name: str) -> bool:
    try:
        opening(name)
    except LookupError:
        return False
    return True


RECORDED_OPENINGS = [name for name in names() if _has_opening(name)]
"""Recordings whose call is opened by a JSON message."""
