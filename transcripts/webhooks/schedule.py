"""
When deliveries are sent, and what follows from an attempt.  Pure.

A receiver that is slow or dead delays no other one: each endpoint and each tenant has a share of the simultaneous
requests, and endpoints whose last attempt failed share a small part of them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from protocol.outgoing.webhooks import pause_after

from .endpoint import DeliveryState

GIVE_UP_SECONDS = 26 * 3_600.0
"""A delivery that was not accepted in this time is a dead letter, also if its endpoint was paused or disabled."""

_PATIENCE = 3
"""Failures in a row after which an endpoint is paused."""

_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 600.0

_LEAST_FAILURES = 10
"""An endpoint with fewer failures in a row is not disabled, however long ago the first was."""

_GONE = 410
"""The receiver wants no more (Standard Webhooks)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Most simultaneous requests."""

    all: int = 64
    failing: int = 16
    """To all endpoints whose last attempt failed."""

    tenant: int = 16
    endpoint: int = 4
    failing_endpoint: int = 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """An endpoint with due deliveries, and its requests in progress."""

    webhook_id: str
    tenant: str
    is_failing: bool
    in_progress: int = 0


@dataclass(slots=True)
class _Room:
    """What is left of the limits."""

    limits: Limits
    busy: int = 0
    failing: int = 0
    tenants: Counter[str] = field(default_factory=Counter)
    endpoints: Counter[str] = field(default_factory=Counter)

    def takes(self, one: Candidate) -> bool:
        """Return whether one more request to this endpoint is within all limits."""
        most = self.limits.failing_endpoint if one.is_failing else self.limits.endpoint
        return (
            self.busy < self.limits.all
            and self.endpoints[one.webhook_id] < most
            and (not one.tenant or self.tenants[one.tenant] < self.limits.tenant)
            and (not one.is_failing or self.failing < self.limits.failing)
        )

    def take(self, one: Candidate, number: int = 1) -> None:
        """Count requests."""
        self.busy += number
        self.failing += number if one.is_failing else 0
        self.tenants[one.tenant] += number
        self.endpoints[one.webhook_id] += number


def shares(
    due: Sequence[Candidate], busy: Sequence[Candidate], limits: Limits
) -> Mapping[str, int]:
    """
    Return how many deliveries of each endpoint to send now, by webhook id: one for each in turn.

    `busy`: endpoints with requests in progress, of all processes.
    """
    room, taken = _Room(limits), Counter[str]()
    for one in busy:
        room.take(one, one.in_progress)
    left = list(due)
    while left := [one for one in left if room.takes(one)]:
        for one in left:
            if room.takes(one):
                room.take(one)
                taken[one.webhook_id] += 1
    return taken


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """
    The outcome of an attempt: the status of the answer, or what failed.

    `asked_pause`: seconds that the receiver asks to wait (`Retry-After`).
    """

    status: int | None = None
    error: str = ""
    asked_pause: float = 0.0

    @property
    def is_accepted(self) -> bool:
        """Whether the receiver has accepted the request."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class DeliveryDecision:
    """What follows for the delivery and its endpoint.  Times in Unix seconds."""

    state: DeliveryState
    due_at: float
    failures: int
    failing_since: float | None
    paused_until: float
    disabled_reason: str = ""


def decide(
    outcome: AttemptOutcome,
    *,
    attempts: int,
    queued_at: float,
    failures: int,
    failing_since: float | None,
    now: float,
    chance: float,
    disable_seconds: float,
) -> DeliveryDecision:
    """
    Return what follows from an attempt.

    `attempts`: of the delivery, with this one.  `failures`: of the endpoint in a row, before this one.  `chance`:
    random, 0 to 1.  `disable_seconds`: an endpoint that has failed for longer is disabled.
    """
    if outcome.is_accepted:
        return DeliveryDecision(DeliveryState.DELIVERED, now, 0, None, 0.0)
    pause, since = pause_after(attempts, chance), now if failing_since is None else failing_since
    is_over = pause is None or now - queued_at > GIVE_UP_SECONDS or outcome.status == _GONE
    failures += 1
    return DeliveryDecision(
        DeliveryState.DEAD if is_over else DeliveryState.WAITING,
        now + max(pause or 0.0, outcome.asked_pause),
        failures,
        since,
        now + max(endpoint_pause(failures, chance), outcome.asked_pause),
        _disabled(outcome, failures, now - since, disable_seconds),
    )


def endpoint_pause(failures: int, chance: float) -> float:
    """Return the seconds for which nothing is sent to an endpoint after `failures` in a row."""
    if failures < _PATIENCE:
        return 0.0
    doubled = _FIRST_PAUSE * 2.0 ** min(failures - _PATIENCE, 10)
    return min(_LONGEST_PAUSE, doubled) * (0.8 + 0.4 * chance)


def _disabled(outcome: AttemptOutcome, failures: int, seconds: float, most: float) -> str:
    if outcome.status == _GONE:
        return "the receiver answered 410 Gone"
    if failures >= _LEAST_FAILURES and seconds > most:
        return f"no attempt has succeeded for {seconds / 86_400:.1f} days"
    return ""
