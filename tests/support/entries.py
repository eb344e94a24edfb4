"""Read events as they stand in an event log."""

from protocol.events import Entry, TranscriptEvent
from protocol.events.event_codec import decode_entry


def event_of(payload: bytes) -> TranscriptEvent:
    """Decode an event of this version.  Fails for any other bytes."""
    entry = decode_entry(None, payload)
    assert isinstance(entry, Entry), "the bytes are not an event of this version"
    return entry.event
