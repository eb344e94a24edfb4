"""Who read, changed or deleted which call, and when."""

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from .schema import audit


@dataclass(frozen=True, slots=True)
class AuditLine:
    """What somebody did.  `who`: name of the credential; `action`: `read`, `change`, `delete`, ...; filed id."""

    who: str
    tenant: str
    action: str
    call_id: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A line of the audit log, with the time in Unix seconds."""

    at: float
    line: AuditLine


def write(connection: Connection, line: AuditLine, now: float) -> None:
    """Write a line.  `now`: Unix seconds."""
    values = {"who": line.who, "tenant": line.tenant, "action": line.action}
    connection.execute(insert(audit).values(at=now, call_id=line.call_id, **values))


def read(connection: Connection, limit: int, call_id: str | None) -> list[AuditEntry]:
    """Return the latest lines, newest first; of one call, if `call_id` is given."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if call_id is not None:
        query = query.where(audit.c.call_id == call_id)
    return [
        AuditEntry(row.at, AuditLine(row.who, row.tenant, row.action, row.call_id))
        for row in connection.execute(query)
    ]
