"""
Events become deliveries, in the transaction that stores what has happened.

So there is a delivery if and only if the event is stored, whichever process dies.  The id of a delivery is made of
the endpoint and the event: an event that is stored again is not queued again.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, func, select, update

from ...outbox import Recorded
from ...webhooks.endpoint import MOST_WAITING, DeliveryState
from ...webhooks.events import EventKind, WebhookEvent, events_of
from ..call_rows import CallRow, CallRows
from ..schema import segment_key, webhook_deliveries, webhooks

_Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Listener:
    """An endpoint that gets events."""

    webhook_id: str
    kinds: frozenset[str]


def queue_batch(
    connection: Connection, batch: Iterable[Recorded], call_rows: CallRows, now: float
) -> None:
    """Queue the events of stored entries.  `now`: Unix seconds."""
    tenants = _listeners(connection)
    if not tenants:
        return
    rows = []
    for one in batch:
        for event in events_of(one.entry):
            call = call_rows.row_of(one)
            if call is not None:
                rows += _rows(tenants.get(call.tenant, ()), call, event, now)
    _insert(connection, rows)


def queue_event(connection: Connection, call: CallRow, event: WebhookEvent, now: float) -> None:
    """Queue an event of a call for the endpoints of its tenant.  `now`: Unix seconds."""
    listeners = _listeners(connection).get(call.tenant, ())
    _insert(connection, _rows(listeners, call, event, now))


def queue_test(connection: Connection, webhook_id: str, key: str, now: float) -> str:
    """Queue a test of an endpoint.  Returns the id of the delivery."""
    event = WebhookEvent(EventKind.TEST, key)
    row = _row(webhook_id, None, event, now)
    _insert(connection, [row])
    return str(row["id"])


def _listeners(connection: Connection) -> dict[str, list[_Listener]]:
    """Return the enabled endpoints by tenant."""
    query = select(webhooks.c.id, webhooks.c.tenant, webhooks.c.events).where(webhooks.c.enabled)
    found: dict[str, list[_Listener]] = {}
    for row in connection.execute(query):
        listener = _Listener(row.id, frozenset(row.events))
        found.setdefault(row.tenant, []).append(listener)
    return found


def _rows(
    listeners: Sequence[_Listener], call: CallRow, event: WebhookEvent, now: float
) -> list[_Row]:
    return [_row(one.webhook_id, call, event, now) for one in listeners if event.kind in one.kinds]


def _row(webhook_id: str, call: CallRow | None, event: WebhookEvent, now: float) -> _Row:
    segment = event.segment
    stream = (call.call_id, call.log) if call else ("", "")
    said = "\0".join((webhook_id, *stream, event.kind, event.key))
    return {
        "id": f"msg_{hashlib.sha256(said.encode()).hexdigest()[:32]}",
        "webhook": webhook_id,
        "kind": str(event.kind),
        "call": call.id if call else None,
        "segment": segment_key(call.id, segment.channel, segment.number)
        if call and segment
        else None,
        "seq": event.seq,
        "data": dict(event.data),
        "queued_at": now,
        "state": str(DeliveryState.WAITING),
        "attempts": 0,
        "due_at": now,
        "leased_until": 0.0,
        "error": "",
    }


def _insert(connection: Connection, rows: list[_Row]) -> None:
    """Insert rows whose id is new, as far as their endpoint has room; count what is dropped."""
    by_endpoint: dict[str, list[_Row]] = {}
    for row in rows:
        by_endpoint.setdefault(row["webhook"], []).append(row)
    for webhook_id, found in by_endpoint.items():
        room = max(0, MOST_WAITING - _waiting(connection, webhook_id))
        if kept := found[:room]:
            make: Any = import_module(f"sqlalchemy.dialects.{connection.dialect.name}").insert
            connection.execute(make(webhook_deliveries).on_conflict_do_nothing(), kept)
        if left := len(found) - len(kept):
            same = webhooks.c.id == webhook_id
            connection.execute(
                update(webhooks).where(same).values(dropped=webhooks.c.dropped + left)
            )


def _waiting(connection: Connection, webhook_id: str) -> int:
    table = webhook_deliveries
    same = (table.c.webhook == webhook_id, table.c.state == DeliveryState.WAITING)
    return connection.execute(select(func.count()).where(*same)).scalar() or 0
