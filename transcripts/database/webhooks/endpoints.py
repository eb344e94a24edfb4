"""Endpoints of webhooks: read, made, changed, deleted.  The tenant is part of each condition."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, insert, select, update

from ...webhooks.endpoint import DeliveryState, SigningSecret, WebhookEndpoint, WebhookState
from ...webhooks.events import EventKind
from ..schema import webhook_deliveries, webhooks

_KNOWN = frozenset(EventKind)
"""A newer version may have written others."""


def endpoint_of(row: RowMapping) -> WebhookEndpoint:
    """Return the endpoint of a row."""
    return WebhookEndpoint(
        row["id"],
        row["tenant"],
        row["url"],
        tuple(EventKind(kind) for kind in row["events"] if kind in _KNOWN),
        row["description"],
        tuple(SigningSecret(text, until) for text, until in row["secrets"]),
        row["enabled"],
        row["created_at"],
        row["disabled_reason"],
        row["failures"],
        row["failing_since"],
        row["paused_until"],
        row["dropped"],
    )


def of_tenant(connection: Connection, tenant: str) -> list[WebhookState]:
    """Return the endpoints of a tenant with the numbers of their deliveries, the oldest first."""
    mine = webhooks.c.tenant == tenant
    query = select(webhooks).where(mine).order_by(webhooks.c.created_at, webhooks.c.id)
    found = [endpoint_of(row) for row in connection.execute(query).mappings()]
    counts = _counts(connection, mine)
    return [WebhookState(one, counts.get(one.webhook_id, {})) for one in found]


def one(connection: Connection, tenant: str, webhook_id: str) -> WebhookState | None:
    """Return an endpoint of a tenant; None if there is none."""
    mine = _mine(tenant, webhook_id)
    row = connection.execute(select(webhooks).where(*mine)).mappings().first()
    if row is None:
        return None
    counts = _counts(connection, webhooks.c.id == webhook_id)
    return WebhookState(endpoint_of(row), counts.get(webhook_id, {}))


def is_known(connection: Connection, tenant: str, webhook_id: str) -> bool:
    """Return whether a tenant has an endpoint, without counting its deliveries."""
    query = select(webhooks.c.id).where(*_mine(tenant, webhook_id))
    return connection.execute(query).first() is not None


def add(connection: Connection, endpoint: WebhookEndpoint) -> None:
    """Write a new endpoint."""
    connection.execute(insert(webhooks).values(_row(endpoint) | {"id": endpoint.webhook_id}))


def count(connection: Connection, tenant: str) -> int:
    """Return the number of endpoints of a tenant."""
    query = select(func.count()).select_from(webhooks).where(webhooks.c.tenant == tenant)
    return connection.execute(query).scalar() or 0


def replace(connection: Connection, former: WebhookEndpoint, endpoint: WebhookEndpoint) -> None:
    """Write the values that differ from `former`: a sender may change the others at the same time."""
    before = _row(former)
    changed = {name: value for name, value in _row(endpoint).items() if value != before[name]}
    if changed:
        mine = _mine(endpoint.tenant, endpoint.webhook_id)
        connection.execute(update(webhooks).where(*mine).values(changed))


def remove(connection: Connection, tenant: str, webhook_id: str) -> bool:
    """Delete an endpoint with its deliveries.  Returns whether there was one."""
    if not is_known(connection, tenant, webhook_id):
        return False
    connection.execute(delete(webhook_deliveries).where(webhook_deliveries.c.webhook == webhook_id))
    connection.execute(delete(webhooks).where(*_mine(tenant, webhook_id)))
    return True


def _mine(tenant: str, webhook_id: str) -> tuple[ColumnElement[bool], ...]:
    return webhooks.c.tenant == tenant, webhooks.c.id == webhook_id


def _row(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "tenant": endpoint.tenant,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "description": endpoint.description,
        "secrets": [[one.text, one.until] for one in endpoint.secrets],
        "enabled": endpoint.enabled,
        "disabled_reason": endpoint.disabled_reason,
        "created_at": endpoint.created_at,
        "failures": endpoint.failures,
        "failing_since": endpoint.failing_since,
        "paused_until": endpoint.paused_until,
        "dropped": endpoint.dropped,
    }


def _counts(
    connection: Connection, condition: ColumnElement[bool]
) -> dict[str, dict[DeliveryState, int]]:
    table = webhook_deliveries
    query = (
        select(table.c.webhook, table.c.state, func.count().label("number"))
        .join(webhooks, webhooks.c.id == table.c.webhook)
        .where(condition)
        .group_by(table.c.webhook, table.c.state)
    )
    found: dict[str, dict[DeliveryState, int]] = {}
    for row in connection.execute(query):
        found.setdefault(row.webhook, {})[DeliveryState(row.state)] = row.number
    return found
