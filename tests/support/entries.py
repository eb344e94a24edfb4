"""Read events as they stand in an event log."""

from protocol.event_codec import decode_entry
from protocol.events import Entry, TranscriptEvent


def event_of(payload: bytes) -> TranscriptEvent:
    """Decode an event of this version.  Fails for any other bytes."""
    entry = decode_entry(None, payload)
    assert isinstance(entry, Entry), "the bytes are not an event of this version"
    return entry.event
