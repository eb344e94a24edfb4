"""Calls and quarantined entries that are older than they may be."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, or_, select

from ...retention import DAY_SECONDS, Retention
from ..schema import calls, quarantine, tags

_UNENDED_SECONDS = DAY_SECONDS
"""A call without `call.ended` is kept longer by this time: it may be in progress."""


def expired(connection: Connection, retention: Retention, now: float, limit: int) -> list[str]:
    """Return ids of at most `limit` calls that have expired, oldest first.  `now`: Unix seconds."""
    conditions = [_expired_by_tag(retention, tag, now) for tag in retention.by_tag]
    if retention.days is not None:
        untagged = [~_has(list(retention.by_tag))] if retention.by_tag else []
        conditions.append(and_(_older(now, retention.days), *untagged))
    if not conditions:
        return []
    own = (calls.c.call_id == calls.c.root, ~calls.c.legal_hold)
    query = select(calls.c.call_id).where(*own, or_(*conditions))
    return list(connection.execute(query.order_by(calls.c.started_at).limit(limit)).scalars())


def delete_quarantined(connection: Connection, before: float) -> None:
    """Delete quarantined entries that were written before `before` (Unix seconds, clock of Redis)."""
    found = connection.execute(select(quarantine.c.outbox, quarantine.c.entry_id)).all()
    for outbox, entry_id in found:
        written = entry_id.partition("-")[0]
        if written.isdigit() and int(written) / 1_000 < before:
            same = (quarantine.c.outbox == outbox, quarantine.c.entry_id == entry_id)
            connection.execute(delete(quarantine).where(*same))


def _expired_by_tag(retention: Retention, tag: str, now: float) -> ColumnElement[bool]:
    days = retention.by_tag[tag]
    longer = [other for other, kept in retention.by_tag.items() if kept > days]
    found = and_(_older(now, days), _has([tag]))
    return and_(found, ~_has(longer)) if longer else found


def _older(now: float, days: float) -> ColumnElement[bool]:
    last = now - days * DAY_SECONDS
    ended = and_(calls.c.ended_reason != "", calls.c.started_at < last)
    return or_(ended, calls.c.started_at < last - _UNENDED_SECONDS)


def _has(names: Collection[str]) -> ColumnElement[bool]:
    return exists().where(tags.c.call == calls.c.id, tags.c.tag.in_(names))
