"""Bodies of requests and responses about webhooks.  Times in seconds since 1970."""

from typing import Annotated, Any

import msgspec

from protocol.tenants import bare

from ...webhooks.endpoint import (
    DeliveryPage,
    DeliveryState,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookState,
)
from ...webhooks.events import SUBSCRIBABLE, EventKind, Subscribable

_Url = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
_Text = Annotated[str, msgspec.Meta(max_length=500)]
_Events = Annotated[list[Subscribable], msgspec.Meta(min_length=1, max_length=len(SUBSCRIBABLE))]


class NewWebhook(msgspec.Struct, forbid_unknown_fields=True):
    """An endpoint: a URL of https, and the events that it gets."""

    url: _Url
    events: _Events
    description: _Text = ""
    enabled: bool = True


class WebhookChange(msgspec.Struct, forbid_unknown_fields=True):
    """New values; what is left out does not change.  With `enabled: true`, former failures are forgotten."""

    url: _Url | None = None
    events: _Events | None = None
    description: _Text | None = None
    enabled: bool | None = None


class NewSecret(msgspec.Struct, forbid_unknown_fields=True):
    """How long the present secret signs too, in seconds: the time to give the new one to the receiver."""

    overlap_seconds: Annotated[int, msgspec.Meta(ge=0, le=604_800)] = 86_400


class WebhookBody(msgspec.Struct, kw_only=True):
    """
    An endpoint.  `waiting`, `delivered`, `dead`: numbers of its deliveries in these states.

    `disabled_reason`: why Trunkline disabled it.  `failures`: failed attempts in a row, since `failing_since`.
    `paused_until`: nothing is sent before.  `dropped_events`: events that found no room.
    """

    webhook_id: str
    url: str
    events: list[Subscribable]
    description: str
    enabled: bool
    disabled_reason: str
    created_at: float
    failures: int
    failing_since: float | None
    paused_until: float | None
    dropped_events: int
    waiting: int
    delivered: int
    dead: int


class CreatedWebhook(WebhookBody, kw_only=True):
    """A new endpoint with its secret, which is shown only here."""

    secret: str


class WebhooksBody(msgspec.Struct):
    """The endpoints of the tenant."""

    webhooks: list[WebhookBody]


class SecretBody(msgspec.Struct):
    """The new secret, which is shown only here."""

    secret: str


class DeliveryBody(msgspec.Struct):
    """
    A delivery with its last attempt.  `delivery_id` is the `webhook-id` of all its attempts.

    `status`: of the last answer; null without one.  `error`: what failed.  `next_attempt_at`: while it waits.
    """

    delivery_id: str
    event: EventKind
    call_id: str | None
    state: DeliveryState
    attempts: int
    queued_at: float
    tried_at: float | None
    next_attempt_at: float | None
    status: int | None
    error: str


class DeliveriesBody(msgspec.Struct):
    """A page of deliveries, the latest first.  `next_cursor`: for the next page; null on the last one."""

    deliveries: list[DeliveryBody]
    next_cursor: str | None


def webhook_body(state: WebhookState) -> WebhookBody:
    """Return an endpoint without its secret."""
    return WebhookBody(**_values(state))


def created_body(endpoint: WebhookEndpoint) -> CreatedWebhook:
    """Return a new endpoint with its secret."""
    return CreatedWebhook(**_values(WebhookState(endpoint, {})), secret=endpoint.secrets[0].text)


def delivery_body(one: WebhookDelivery) -> DeliveryBody:
    """Return a delivery."""
    return DeliveryBody(
        one.delivery_id,
        one.kind,
        None if one.call_id is None else bare(one.call_id),
        one.state,
        one.attempts,
        one.queued_at,
        one.tried_at,
        one.due_at if one.state is DeliveryState.WAITING else None,
        one.status,
        one.error,
    )


def deliveries_body(page: DeliveryPage) -> DeliveriesBody:
    """Return a page of deliveries."""
    cursor = None if page.before is None else str(page.before)
    return DeliveriesBody([delivery_body(one) for one in page.deliveries], cursor)


def _values(state: WebhookState) -> dict[str, Any]:
    one = state.endpoint
    return {
        "webhook_id": one.webhook_id,
        "url": one.url,
        "events": list(one.events),
        "description": one.description,
        "enabled": one.enabled,
        "disabled_reason": one.disabled_reason,
        "created_at": one.created_at,
        "failures": one.failures,
        "failing_since": one.failing_since,
        "paused_until": one.paused_until or None,
        "dropped_events": one.dropped,
        "waiting": state.counts.get(DeliveryState.WAITING, 0),
        "delivered": state.counts.get(DeliveryState.DELIVERED, 0),
        "dead": state.counts.get(DeliveryState.DEAD, 0),
    }
