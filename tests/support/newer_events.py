"""Events in the internal form of a newer version of Trunkline, which this version has never seen."""

from typing import Any

import msgspec

from protocol.events import TranscriptEvent
from protocol.events.event_codec import VERSION, encode_event


def with_unknown_field(event: TranscriptEvent) -> bytes:
    """Return the event with a field that this version does not know."""
    version, kind, body = _parts(event)
    return _encode(version, kind, body | {"sentiment": {"score": 0.5, "labels": ["calm"]}})


def of_unknown_type(**fields: object) -> bytes:
    """Return an event of a type that this version does not know."""
    return _encode(VERSION, "SpeakerChanged", fields)


def of_next_version(event: TranscriptEvent, **changed: object) -> bytes:
    """Return the event in the next version of the form, with other values for some fields."""
    version, kind, body = _parts(event)
    return _encode(version + 1, kind, body | changed)


def _parts(event: TranscriptEvent) -> tuple[int, str, dict[str, Any]]:
    version, kind, body = msgspec.msgpack.decode(encode_event(event))
    return version, kind, body


def _encode(version: int, kind: str, body: object) -> bytes:
    return msgspec.msgpack.encode((version, kind, body))
