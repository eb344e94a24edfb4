"""Decode the entries of an outbox.  Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from protocol.events import Entry, UnreadEntry
from protocol.events.event_codec import decode_entry
from protocol.tenants import checked

_LARGEST = 2**63 - 1
"""Largest integer that the database can store."""

_LONGEST_NAME = 64


class UnreadableEntryError(Exception):
    """This version cannot read the entry.  The text gives the reason and quotes no content."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One entry of a call's event log, to be stored."""

    call_id: str
    entry: Entry
    log: str = ""
    """Id of the event log.  A reused call id has a new one.  Empty for versions that did not write it."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One entry of an outbox, as it was read."""

    outbox: str
    entry_id: str
    call_id: str
    """Empty if the entry has no valid call id."""

    seq: int | None
    """None if the entry has no valid sequence number."""

    payload: bytes = field(repr=False)
    log: str = ""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An entry that could not be stored, with the reason."""

    arrival: Arrival
    reason: str


def arrival(outbox: str, entry_id: bytes, fields: Mapping[bytes, bytes]) -> Arrival:
    """Read the valid fields of an entry, which another program may have written."""
    return Arrival(
        outbox,
        entry_id.decode(),
        _call_id(fields.get(b"c", b"")),
        _seq(fields.get(b"s", b"")),
        fields.get(b"e", b""),
        _log(fields.get(b"l", b"")),
    )


def read(arrival: Arrival) -> Recorded:
    """Decode an entry for the store.  Raises UnreadableError if this version cannot read it."""
    if not arrival.call_id or arrival.seq is None:
        raise UnreadableEntryError("no call id or no seq: not written by Trunkline")
    entry = decode_entry(arrival.seq, arrival.payload)
    if isinstance(entry, UnreadEntry):
        raise UnreadableEntryError("not an event, or an event of another version of Trunkline")
    return Recorded(arrival.call_id, entry, arrival.log)


def _call_id(name: bytes) -> str:
    try:
        return checked(name.decode())
    except ValueError:
        return ""


def _log(name: bytes) -> str:
    return name.decode() if name.isalnum() and len(name) <= _LONGEST_NAME else ""


def _seq(number: bytes) -> int | None:
    try:
        seq = int(number)
    except ValueError:
        return None
    return seq if 0 < seq <= _LARGEST else None
