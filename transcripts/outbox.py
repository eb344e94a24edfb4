"""What lies in an outbox, and what can be made of it.  Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from protocol.event_codec import decode_entry
from protocol.events import Entry
from protocol.tenants import checked

_LARGEST = 2**63 - 1
"""What a database can hold as a number."""

_LONGEST_NAME = 64


class UnreadableError(Exception):
    """An entry that this program cannot read; the text says why and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One entry of a call's log, to be stored."""

    call_id: str
    entry: Entry
    log: str = ""
    """Name of the log: an id that is used again has another one.  Empty for a Trunkline that did not say."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One entry of an outbox as it lay there."""

    outbox: str
    entry_id: str
    call_id: str
    """Empty where none can be made out."""

    seq: int | None
    """None where none can be made out."""

    payload: bytes = field(repr=False)
    log: str = ""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An arrival that is not in any transcript, and why."""

    arrival: Arrival
    reason: str


def arrival(outbox: str, entry_id: bytes, fields: Mapping[bytes, bytes]) -> Arrival:
    """An entry with whatever of its fields makes sense; it need not be one of ours."""
    return Arrival(
        outbox,
        entry_id.decode(),
        _call_id(fields.get(b"c", b"")),
        _seq(fields.get(b"s", b"")),
        fields.get(b"e", b""),
        _log(fields.get(b"l", b"")),
    )


def read(arrival: Arrival) -> Recorded:
    """What is to be stored; UnreadableError where it makes no sense to this program."""
    if not arrival.call_id or arrival.seq is None:
        raise UnreadableError("no call id or no seq: not written by Trunkline")
    try:
        entry = decode_entry(arrival.seq, arrival.payload)
        return Recorded(arrival.call_id, entry, arrival.log)
    except (ValueError, RecursionError) as exc:  # a WireError, or text that is no UTF-8
        raise UnreadableError("an event of another version of Trunkline, or none") from exc


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
