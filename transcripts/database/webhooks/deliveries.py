"""Deliveries: listed, sent again, deleted when they are old."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, select, update

from ...webhooks.endpoint import MOST_KEPT, DeliveryPage, DeliveryState, WebhookDelivery
from ...webhooks.events import EventKind
from ...webhooks.schedule import GIVE_UP_SECONDS
from ..schema import calls, webhooks
from ..schema import webhook_deliveries as table

_AT_ONCE = 500
"""Most rows that one transaction deletes."""

_EXPIRED = "not delivered within a day"


@dataclass(frozen=True, slots=True)
class DeliveryBacklog:
    """What waits at all endpoints, for metrics.  `oldest`: when the oldest was queued, Unix seconds."""

    waiting: int
    oldest: float | None
    dropped: int


def page(
    connection: Connection,
    webhook_id: str,
    state: DeliveryState | None,
    limit: int,
    before: int | None,
) -> DeliveryPage:
    """Return deliveries of an endpoint, the latest first.  `before`: from the page before."""
    known = table.c.kind.in_(EventKind)  # a newer version may have written others
    conditions: list[ColumnElement[bool]] = [table.c.webhook == webhook_id, known]
    if state is not None:
        conditions.append(table.c.state == state)
    if before is not None:
        conditions.append(table.c.number < before)
    query = _with_call().where(*conditions).order_by(table.c.number.desc()).limit(limit + 1)
    found = [_delivery(row) for row in connection.execute(query).mappings()]
    more = found[limit - 1].number if len(found) > limit else None
    return DeliveryPage(tuple(found[:limit]), more)


def one(connection: Connection, webhook_id: str, delivery_id: str) -> WebhookDelivery | None:
    """Return a delivery of an endpoint; None if there is none."""
    query = _with_call().where(table.c.webhook == webhook_id, table.c.id == delivery_id)
    row = connection.execute(query).mappings().first()
    return _delivery(row) if row else None


def send_again(connection: Connection, webhook_id: str, delivery_id: str, now: float) -> None:
    """Send a delivery now, with all attempts.  One that is being sent is left alone.  `now`: Unix seconds."""
    mine = (table.c.webhook == webhook_id, table.c.id == delivery_id, table.c.leased_until <= now)
    again = {"state": str(DeliveryState.WAITING), "attempts": 0, "queued_at": now, "due_at": now}
    connection.execute(update(table).where(*mine).values(again))
    same = webhooks.c.id == webhook_id
    connection.execute(update(webhooks).where(same).values(paused_until=0.0))


def give_up_old(connection: Connection, now: float) -> int:
    """Give up deliveries that have waited for too long.  Returns how many, at most 500."""
    waiting = (
        table.c.state == DeliveryState.WAITING,
        table.c.queued_at < now - GIVE_UP_SECONDS,
        table.c.leased_until <= now,
    )
    numbers = connection.execute(select(table.c.number).where(*waiting).limit(_AT_ONCE)).scalars()
    if not (found := list(numbers)):
        return 0
    dead: dict[str, Any] = {"state": str(DeliveryState.DEAD)}
    dead["error"] = func.coalesce(func.nullif(table.c.error, ""), _EXPIRED)
    connection.execute(update(table).where(table.c.number.in_(found)).values(dead))
    return len(found)


def prune(connection: Connection, before: float) -> int:
    """
    Delete deliveries that are over: those queued before `before`, and the oldest of an endpoint with too many.

    Returns how many were deleted; it may be called again until it returns 0.
    """
    over = table.c.state != DeliveryState.WAITING
    old = select(table.c.number).where(over, table.c.queued_at < before).limit(_AT_ONCE)
    numbers = list(connection.execute(old).scalars())
    counts = select(table.c.webhook).where(over).group_by(table.c.webhook)
    for webhook_id in connection.execute(counts.having(func.count() > MOST_KEPT)).scalars().all():
        mine = (over, table.c.webhook == webhook_id)
        latest = select(table.c.number).where(*mine).order_by(table.c.number.desc())
        numbers += connection.execute(latest.offset(MOST_KEPT).limit(_AT_ONCE)).scalars()
    for first in range(0, len(numbers), _AT_ONCE):
        some = numbers[first : first + _AT_ONCE]
        connection.execute(delete(table).where(table.c.number.in_(some)))
    return len(numbers)


def backlog(connection: Connection) -> DeliveryBacklog:
    """Return what waits at enabled endpoints."""
    query = (
        select(func.count(), func.min(table.c.queued_at))
        .select_from(table)
        .join(webhooks, webhooks.c.id == table.c.webhook)
        .where(webhooks.c.enabled, table.c.state == DeliveryState.WAITING)
    )
    waiting, oldest = connection.execute(query).one()
    dropped = connection.execute(select(func.sum(webhooks.c.dropped))).scalar() or 0
    return DeliveryBacklog(waiting, oldest, int(dropped))


def _with_call() -> Any:  # noqa: ANN401  # a statement of two tables
    return select(table, calls.c.call_id).outerjoin(calls, calls.c.id == table.c.call)


def _delivery(row: RowMapping) -> WebhookDelivery:
    return WebhookDelivery(
        row["number"],
        row["id"],
        EventKind(row["kind"]),
        row["call_id"],
        DeliveryState(row["state"]),
        row["attempts"],
        row["queued_at"],
        row["due_at"],
        row["tried_at"],
        row["status"],
        row["error"],
    )
