"""Rules that tenants have set by the API."""

from sqlalchemy import Connection, delete, insert, select

from .schema import rule_sets


def read(connection: Connection) -> dict[str, str]:
    """Return the rules by tenant, as JSON."""
    rows = connection.execute(select(rule_sets.c.tenant, rule_sets.c.body)).all()
    return {row.tenant: row.body for row in rows}


def write(connection: Connection, tenant: str, body: str, now: float) -> None:
    """Replace the rules of a tenant.  `now`: Unix seconds."""
    connection.execute(delete(rule_sets).where(rule_sets.c.tenant == tenant))
    connection.execute(insert(rule_sets).values(tenant=tenant, body=body, changed_at=now))
