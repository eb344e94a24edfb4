"""
Webhooks in the store: endpoints, deliveries, and what a sender claims and settles.

All methods block, and raise the errors of `Store`: call them off the event loop.
"""

import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from sqlalchemy import Connection, or_, select

from ..database.call_rows import CallRow
from ..database.schema import calls
from ..database.webhooks import deliveries, endpoints, queueing, sending
from ..database.webhooks.deliveries import DeliveryBacklog
from ..database.webhooks.sending import Outgoing, Result, Settled
from ..retention import DAY_SECONDS
from .endpoint import (
    MOST_OF_TENANT,
    DeliveryPage,
    DeliveryState,
    SigningSecret,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookState,
    new_secret,
    rotated,
)
from .events import EventKind, WebhookEvent
from .schedule import Limits


class TooManyEndpointsError(Exception):
    """The tenant has as many endpoints as it may have."""


class WebhookStore:
    """The webhooks of all tenants."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection]],
        now: Callable[[], float],
    ) -> None:
        """`transaction` opens a transaction; `now` returns Unix seconds."""
        self._transaction = transaction
        self._now = now

    def endpoints(self, tenant: str) -> list[WebhookState]:
        """Return the endpoints of a tenant."""
        with self._transaction() as connection:
            return endpoints.of_tenant(connection, tenant)

    def endpoint(self, tenant: str, webhook_id: str) -> WebhookState | None:
        """Return an endpoint of a tenant; None if there is none."""
        with self._transaction() as connection:
            return endpoints.one(connection, tenant, webhook_id)

    def add(
        self,
        tenant: str,
        url: str,
        events: Sequence[EventKind],
        description: str = "",
        *,
        enabled: bool = True,
    ) -> WebhookEndpoint:
        """Make an endpoint with a new secret.  Raises TooManyEndpointsError."""
        made = WebhookEndpoint(
            f"wh_{secrets.token_hex(12)}",
            tenant,
            url,
            tuple(events),
            description,
            (new_secret(),),
            enabled,
            self._now(),
        )
        with self._transaction() as connection:
            if endpoints.count(connection, tenant) >= MOST_OF_TENANT:
                raise TooManyEndpointsError
            endpoints.add(connection, made)
        return made

    def change(
        self, tenant: str, webhook_id: str, change: Callable[[WebhookEndpoint], WebhookEndpoint]
    ) -> WebhookState | None:
        """Replace an endpoint by what `change` returns for it; None if there is none."""
        with self._transaction() as connection:
            found = endpoints.one(connection, tenant, webhook_id)
            if found is None:
                return None
            changed = change(found.endpoint)
            endpoints.replace(connection, found.endpoint, changed)
            return WebhookState(changed, found.counts)

    def rotate(self, tenant: str, webhook_id: str, seconds: float) -> SigningSecret | None:
        """Make a new secret; the present one signs too for `seconds`.  None if there is no such endpoint."""
        made, until = new_secret(), self._now() + seconds
        found = self.change(
            tenant,
            webhook_id,
            lambda one: replace(one, secrets=rotated(one.secrets, made, until)),
        )
        return made if found else None

    def remove(self, tenant: str, webhook_id: str) -> bool:
        """Delete an endpoint with its deliveries.  Returns whether there was one."""
        with self._transaction() as connection:
            return endpoints.remove(connection, tenant, webhook_id)

    def test(self, tenant: str, webhook_id: str) -> WebhookDelivery | None:
        """Queue a test; None if there is no such endpoint."""
        with self._transaction() as connection:
            if not endpoints.is_known(connection, tenant, webhook_id):
                return None
            key = secrets.token_hex(12)
            delivery_id = queueing.queue_test(connection, webhook_id, key, self._now())
            return deliveries.one(connection, webhook_id, delivery_id)

    def raise_event(self, call_id: str, event: WebhookEvent) -> bool:
        """
        Queue an event of a call (filed id) for the endpoints of its tenant.

        The id of a call that is in progress stands for its latest stream.  The same event again changes nothing.
        Returns False if the call is not stored, or not yet.
        """
        columns = (calls.c.id, calls.c.call_id, calls.c.log, calls.c.tenant, calls.c.ended_reason)
        same = or_(calls.c.root == call_id, calls.c.call_id == call_id)
        # a stream that has ended is meant itself, unless a later one goes on
        order = (calls.c.ended_reason != "", calls.c.call_id != call_id, calls.c.id.desc())
        query = select(*columns).where(same).order_by(*order)
        with self._transaction() as connection:
            row = connection.execute(query).first()
            if row is None:
                return False
            call = CallRow(row.id, row.call_id, row.log, "", (), row.tenant)
            queueing.queue_event(connection, call, event, self._now())
        return True

    def deliveries(
        self,
        tenant: str,
        webhook_id: str,
        state: DeliveryState | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> DeliveryPage | None:
        """Return deliveries of an endpoint, the latest first; None if there is no such endpoint."""
        with self._transaction() as connection:
            if not endpoints.is_known(connection, tenant, webhook_id):
                return None
            return deliveries.page(connection, webhook_id, state, limit, before)

    def send_again(self, tenant: str, webhook_id: str, delivery_id: str) -> WebhookDelivery | None:
        """Send a delivery again; None if there is no such delivery."""
        with self._transaction() as connection:
            if not endpoints.is_known(connection, tenant, webhook_id):
                return None
            deliveries.send_again(connection, webhook_id, delivery_id, self._now())
            return deliveries.one(connection, webhook_id, delivery_id)

    def turn(
        self, settled: Sequence[Settled], limits: Limits, disable_seconds: float
    ) -> tuple[list[Result], list[Outgoing]]:
        """Write outcomes, and claim what is due.  Returns what the outcomes led to, and what to send."""
        now = self._now()
        with self._transaction() as connection:
            results = sending.settle(connection, settled, disable_seconds, now)
            return results, sending.claim(connection, limits, now)

    def tidy(self, days: float) -> tuple[int, int]:
        """
        Give up what has waited for more than a day, and delete deliveries that were over `days` ago.

        Returns how many were given up, and how many were deleted; call it again until both are 0.
        """
        now = self._now()
        with self._transaction() as connection:
            given_up = deliveries.give_up_old(connection, now)
            return given_up, deliveries.prune(connection, now - days * DAY_SECONDS)

    def backlog(self) -> DeliveryBacklog:
        """Return what waits at all endpoints."""
        with self._transaction() as connection:
            return deliveries.backlog(connection)
