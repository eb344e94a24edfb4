"""What people and systems of the site add to a call: agent, notes, tags, legal hold."""

from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from ..transcript import Changes
from .metadata_rows import without_nul
from .schema import calls, tags


def describe(connection: Connection, call_id: str, changes: Changes) -> bool:
    """Apply `changes` to the first stream of a call.  Returns whether the call exists."""
    row = connection.execute(
        select(calls.c.id, calls.c.tenant).where(calls.c.call_id == call_id)
    ).first()
    if row is None:
        return False
    found, tenant = row
    said = {"agent": changes.agent, "notes": changes.notes, "legal_hold": changes.legal_hold}
    values: dict[str, Any] = {
        name: without_nul(value) if isinstance(value, str) else value
        for name, value in said.items()
        if value is not None
    }
    if values:
        connection.execute(update(calls).where(calls.c.id == found).values(values))
    if changes.tags is not None:
        connection.execute(delete(tags).where(tags.c.call == found))
        rows = [
            {"call": found, "tenant": tenant, "tag": tag}
            for tag in sorted(set(map(without_nul, changes.tags)))
        ]
        if rows:
            connection.execute(insert(tags), rows)
    return True
