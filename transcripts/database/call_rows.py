"""The rows of the calls in a batch: found, or made if an event is the first one of its call."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, insert, select, update

from protocol.events import CallEnded, CallStarted
from protocol.tenants import parted

from ..outbox import Recorded
from ..transcript import number_of, root_of
from .metadata_rows import storable
from .schema import calls, erased

_AT_ONCE = 500

_LONGEST_AGENT = 200
_LONGEST_ENCODING = 16
"""Most characters of an agent's name, as in the API."""


@dataclass(slots=True)
class CallRow:
    """A row of `calls`, as far as its segments need it."""

    id: int
    call_id: str
    log: str
    ended_reason: str
    roles: tuple[str, ...]
    tenant: str
    is_new: bool = False
    """Made by this batch: no segment of it is stored yet."""

    def role(self, channel: int) -> str:
        """Return the role of a channel; empty if `call.started` is not stored yet."""
        if not self.roles:
            return ""
        return self.roles[channel] if channel < len(self.roles) else "mixed"


class CallRows:
    """The rows to which the entries of a batch belong."""

    def __init__(self, connection: Connection, batch: Sequence[Recorded], now: float) -> None:
        """`now`: Unix seconds."""
        self._connection = connection
        self._now = now
        self._rows: dict[str, CallRow] = {}
        self._resolved: dict[tuple[str, str], CallRow] = {}
        named = list(dict.fromkeys(one.call_id for one in batch))
        for first in range(0, len(named), _AT_ONCE):
            self._load(calls.c.call_id.in_(named[first : first + _AT_ONCE]))
        self._erased = self._erased_logs(one for one in batch if not self._is_stored(one))

    def row_of(self, one: Recorded) -> CallRow | None:
        """
        Return the row of the call of an entry; None if this call was deleted.

        The row is made if `call.started` has not come yet.

        If an earlier call had the same id, the call is stored as `<id>~2`, `<id>~3` and so on.
        """
        name = one.call_id, one.log
        if name in self._erased:
            return None
        if name not in self._resolved:
            self._resolved[name] = self._resolve(*name)
        return self._resolved[name]

    def _resolve(self, call_id: str, log: str) -> CallRow:
        found = self._rows.get(call_id)
        if found is None:
            return self._new(call_id, log)
        if log in ("", found.log):
            return found
        if found.log == "" and found.ended_reason == "":  # of a version that did not write log ids
            same = calls.c.id == found.id
            self._connection.execute(update(calls).where(same).values(log=log))
            found.log = log
            return found
        self._load(calls.c.root == call_id)
        later = [row for name, row in self._rows.items() if root_of(name) == call_id]
        for row in later:
            if row.log == log:
                return row
        return self._new(f"{call_id}~{1 + max(number_of(row.call_id) for row in later)}", log)

    def _is_stored(self, one: Recorded) -> bool:
        return one.call_id in self._rows and self._rows[one.call_id].log == one.log

    def _erased_logs(self, unknown: Iterable[Recorded]) -> set[tuple[str, str]]:
        """Return which logs belong to deleted calls, among entries of calls that have no row yet."""
        names = list({one.call_id for one in unknown})
        return {
            (row.call_id, row.log)
            for first in range(0, len(names), _AT_ONCE)
            for row in self._connection.execute(
                select(erased).where(erased.c.call_id.in_(names[first : first + _AT_ONCE]))
            )
        }

    def _load(self, condition: ColumnElement[bool]) -> None:
        columns = (
            calls.c.id,
            calls.c.call_id,
            calls.c.log,
            calls.c.ended_reason,
            calls.c.roles,
            calls.c.tenant,
        )
        for row in self._connection.execute(select(*columns).where(condition)).mappings():
            self._rows.setdefault(row["call_id"], _call_row(row))

    def _new(self, call_id: str, log: str) -> CallRow:
        tenant = parted(call_id)[0]
        values = {
            "call_id": call_id,
            "root": root_of(call_id),
            "tenant": tenant,
            "log": log,
            "roles": [],
            "language": "",
            "dialect": "",
            "started_at": self._now,
        }
        made = self._connection.execute(insert(calls).values(values)).inserted_primary_key
        assert made is not None  # the table has a key
        row = CallRow(int(made[0]), call_id, log, "", (), tenant, is_new=True)
        self._rows[call_id] = row
        return row


def started_row(call: CallRow, event: CallStarted, seq: int | None) -> dict[str, Any]:
    """Return what `call.started` fills in; `of`: number of the call."""
    call.roles = call.roles or tuple(event.roles)
    return {
        "of": call.id,
        "roles": list(event.roles),
        "language": event.language,
        "dialect": event.dialect,
        "started_at": event.started_at,
        "started_seq": seq,
        "agent": storable(dict(event.metadata).get("agent", ""))[:_LONGEST_AGENT],
        "sample_rate": event.sample_rate,
        "encoding": storable(event.encoding)[:_LONGEST_ENCODING],
    }


def ended_row(call: CallRow, event: CallEnded, seq: int | None) -> dict[str, Any]:
    """Return what `call.ended` fills in; `of`: number of the call."""
    call.ended_reason = call.ended_reason or event.reason
    return {
        "of": call.id,
        "ended_reason": event.reason,
        "duration": event.duration,
        "channels": [asdict(totals) for totals in event.channels],
        "ended_seq": seq,
    }


def _call_row(row: RowMapping) -> CallRow:
    return CallRow(**{**row, "roles": tuple(row["roles"])})
