"""Claim deliveries that are due, and write the outcome of their attempts."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, RowMapping, exists, func, select, update

from ...webhooks.endpoint import DeliveryState
from ...webhooks.events import EventKind
from ...webhooks.schedule import AttemptOutcome, Candidate, DeliveryDecision, Limits, decide, shares
from ..schema import webhook_deliveries as deliveries
from ..schema import webhooks
from .endpoints import endpoint_of
from .payloads import IncompleteCallError, payload

LEASE_SECONDS = 30.0
"""Time for which a sender has claimed a delivery: longer than an attempt takes."""

_NOT_YET_SECONDS = 1.0
_INCOMPLETE_SECONDS = 60.0
"""Longest time for which `call.stored` waits for segments that another recorder stores."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request that this process has to send."""

    number: int
    delivery_id: str
    url: str
    secrets: tuple[str, ...] = field(repr=False)
    body: bytes = field(repr=False)
    leased_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Settled:
    """An attempt with its outcome."""

    sent: Outgoing
    outcome: AttemptOutcome


@dataclass(frozen=True, slots=True)
class Result:
    """What an attempt has led to, for logs and metrics."""

    settled: Settled
    decision: DeliveryDecision
    webhook_id: str


def claim(connection: Connection, limits: Limits, now: float) -> list[Outgoing]:
    """Claim deliveries that are due, within `limits`, for `LEASE_SECONDS`.  `now`: Unix seconds."""
    due = _due_endpoints(connection, now)
    random.shuffle(due)
    found: list[Outgoing] = []
    for webhook_id, number in shares(due, _busy(connection, now), limits).items():
        found += _claim_of(connection, webhook_id, number, now)
    return found


def _due_endpoints(connection: Connection, now: float) -> list[Candidate]:
    has_due = exists().where(
        deliveries.c.webhook == webhooks.c.id,
        deliveries.c.state == DeliveryState.WAITING,
        deliveries.c.kind.in_(EventKind),
        deliveries.c.due_at <= now,
        deliveries.c.leased_until <= now,
    )
    query = select(webhooks.c.id, webhooks.c.tenant, webhooks.c.failures).where(
        webhooks.c.enabled, webhooks.c.paused_until <= now, has_due
    )
    return [Candidate(row.id, row.tenant, row.failures > 0) for row in connection.execute(query)]


def _busy(connection: Connection, now: float) -> list[Candidate]:
    query = (
        select(webhooks.c.id, webhooks.c.tenant, webhooks.c.failures, func.count().label("number"))
        .join(deliveries, deliveries.c.webhook == webhooks.c.id)
        .where(deliveries.c.leased_until > now)
        .group_by(webhooks.c.id, webhooks.c.tenant, webhooks.c.failures)
    )
    return [
        Candidate(row.id, row.tenant, row.failures > 0, row.number)
        for row in connection.execute(query)
    ]


def _claim_of(connection: Connection, webhook_id: str, number: int, now: float) -> list[Outgoing]:
    query = (
        select(deliveries)
        .where(
            deliveries.c.webhook == webhook_id,
            deliveries.c.state == DeliveryState.WAITING,
            deliveries.c.kind.in_(EventKind),  # a newer version may have written others
            deliveries.c.due_at <= now,
            deliveries.c.leased_until <= now,
        )
        .order_by(deliveries.c.due_at, deliveries.c.number)
        .limit(number)
    )
    endpoint_row = connection.execute(select(webhooks).where(webhooks.c.id == webhook_id))
    endpoint = endpoint_of(endpoint_row.mappings().one())
    secrets = tuple(one.text for one in endpoint.secrets if one.signs(now))
    found = []
    for row in connection.execute(query).mappings().all():
        if (body := _body(connection, row, now)) is None:
            continue
        until = now + LEASE_SECONDS
        same = (
            deliveries.c.number == row["number"],
            deliveries.c.leased_until == row["leased_until"],
        )
        leased = update(deliveries).where(*same).values(leased_until=until)
        if connection.execute(leased).rowcount:  # else another process has claimed it
            found.append(Outgoing(row["number"], row["id"], endpoint.url, secrets, body, until))
    return found


def _body(connection: Connection, row: RowMapping, now: float) -> bytes | None:
    """Return the body of a request; None if it is to be sent later."""
    must_wait = now - row["queued_at"] < _INCOMPLETE_SECONDS
    try:
        return payload(connection, row, must_be_complete=must_wait)
    except IncompleteCallError:
        same = deliveries.c.number == row["number"]
        later = update(deliveries).where(same).values(due_at=now + _NOT_YET_SECONDS)
        connection.execute(later)
        return None


def settle(
    connection: Connection, ones: Sequence[Settled], disable_seconds: float, now: float
) -> list[Result]:
    """Write the outcome of attempts.  A delivery that was deleted or claimed again meanwhile is left out."""
    ordered = sorted(
        ones, key=lambda one: one.sent.url
    )  # two processes lock endpoints in the same order
    found = [_settle(connection, one, disable_seconds, now) for one in ordered]
    return [one for one in found if one is not None]


def _settle(
    connection: Connection, one: Settled, disable_seconds: float, now: float
) -> Result | None:
    same = (
        deliveries.c.number == one.sent.number,
        deliveries.c.leased_until == one.sent.leased_until,
    )
    columns = (deliveries.c.webhook, deliveries.c.attempts, deliveries.c.queued_at)
    row = connection.execute(select(*columns).where(*same)).first()
    if row is None:
        return None
    mine = webhooks.c.id == row.webhook
    states = (webhooks.c.failures, webhooks.c.failing_since)
    endpoint = connection.execute(select(*states).where(mine).with_for_update()).one()
    decision = decide(
        one.outcome,
        attempts=row.attempts + 1,
        queued_at=row.queued_at,
        failures=endpoint.failures,
        failing_since=endpoint.failing_since,
        now=now,
        chance=random.random(),
        disable_seconds=disable_seconds,
    )
    values = _delivery_values(one.outcome, decision, row.attempts + 1, now)
    connection.execute(update(deliveries).where(*same).values(values))
    connection.execute(update(webhooks).where(mine).values(_endpoint_values(decision)))
    return Result(one, decision, row.webhook)


def _delivery_values(
    outcome: AttemptOutcome, decision: DeliveryDecision, attempts: int, now: float
) -> dict[str, Any]:
    return {
        "state": str(decision.state),
        "attempts": attempts,
        "due_at": decision.due_at,
        "leased_until": 0.0,
        "tried_at": now,
        "status": outcome.status,
        "error": outcome.error[:200],
    }


def _endpoint_values(decision: DeliveryDecision) -> dict[str, Any]:
    values: dict[str, Any] = {
        "failures": decision.failures,
        "failing_since": decision.failing_since,
        "paused_until": decision.paused_until,
    }
    if decision.disabled_reason:
        values |= {"enabled": False, "disabled_reason": decision.disabled_reason}
    return values
