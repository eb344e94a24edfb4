"""Endpoints of webhooks and their deliveries, as values."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from .events import EventKind

MOST_OF_TENANT = 20
"""Most endpoints of a tenant."""

MOST_WAITING = 10_000
"""Most deliveries of an endpoint that wait.  Further events are dropped and counted."""

MOST_KEPT = 10_000
"""Most deliveries of an endpoint that are kept after their end.  The oldest are deleted first."""


class DeliveryState(StrEnum):
    """What has become of a delivery."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"
    """It was given up: a dead letter."""


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """A secret of an endpoint, `whsec_...`.  `until`: Unix seconds, if another one has replaced it."""

    text: str = field(repr=False)
    until: float | None = None

    def signs(self, now: float) -> bool:
        """Return whether requests are signed with it.  `now`: Unix seconds."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """A URL of a tenant that gets events.  Times in Unix seconds."""

    webhook_id: str
    tenant: str
    url: str
    events: tuple[EventKind, ...]
    description: str
    secrets: tuple[SigningSecret, ...]
    enabled: bool
    created_at: float
    disabled_reason: str = ""
    """Why it was disabled, if Trunkline did it."""

    failures: int = 0
    """Failed attempts since the last one that succeeded."""

    failing_since: float | None = None
    paused_until: float = 0.0
    """Until then nothing is sent, after several failures."""

    dropped: int = 0
    """Events that found no room."""


@dataclass(frozen=True, slots=True)
class WebhookState:
    """An endpoint, and how many of its deliveries are in each state."""

    endpoint: WebhookEndpoint
    counts: dict[DeliveryState, int]


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """A request to an endpoint, with its last attempt.  Times in Unix seconds."""

    number: int
    delivery_id: str
    """The `webhook-id` of all its attempts."""

    kind: EventKind
    call_id: str | None
    """Filed id of the call; None for a test."""

    state: DeliveryState
    attempts: int
    queued_at: float
    due_at: float
    tried_at: float | None
    status: int | None
    error: str


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Some deliveries of an endpoint, the latest first.  `before`: for the next page; None on the last one."""

    deliveries: tuple[WebhookDelivery, ...]
    before: int | None


def new_secret() -> SigningSecret:
    """Return a random secret."""
    return SigningSecret("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())


def rotated(
    known: Sequence[SigningSecret], new: SigningSecret, until: float
) -> tuple[SigningSecret, ...]:
    """Return the secrets after a rotation: the present one signs too until `until`; earlier ones do not."""
    present = [SigningSecret(one.text, until) for one in known if one.until is None]
    return (new, *present)
