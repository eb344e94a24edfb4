"""Sends the deliveries of webhooks that are due, with signatures, and writes what has become of them."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import structlog

from broker.outgoing.http_client import SendError
from broker.outgoing.sender import Client
from broker.time_limits import TimeLimit
from protocol.outgoing.retry_after import asked_pause
from protocol.outgoing.webhooks import Secret, signed_headers

from ..database.opening import StoreError
from ..database.webhooks.sending import Outgoing, Result, Settled
from .endpoint import DeliveryState
from .meter import WebhookMeter
from .schedule import AttemptOutcome, Limits
from .webhook_store import WebhookStore

_POLL_SECONDS = 0.25
"""Seconds between two searches for due deliveries: the delay of an event before its first attempt."""

_TIDY_SECONDS = 60.0
_BACKLOG_SECONDS = 15.0
_AFTER_ERROR_SECONDS = 2.0

_Result = TypeVar("_Result")

logger = structlog.get_logger()


class Threads(Protocol):
    """Runs what blocks in the thread of the store."""

    def __call__(self, work: Callable[[], _Result]) -> Awaitable[_Result]:
        """Return the result of `work`."""
        ...


class WebhookSender:
    """
    Sends what is due.  Several processes may do so: each delivery is claimed by one for some time.

    A delivery whose sender dies is sent again when its lease is over, so a receiver may get it twice, with the
    same `webhook-id`.
    """

    def __init__(
        self,
        store: WebhookStore,
        client: Client,
        threads: Threads,
        days: float,
        disable_days: float,
        meter: WebhookMeter,
        limits: Limits | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        `days`: how long deliveries are kept after their end.  `disable_days`: an endpoint that has failed for
        longer is disabled.  `now` returns Unix seconds.
        """
        self._store = store
        self._client = client
        self._in_thread = threads
        self._days = days
        self._disable_seconds = disable_days * 86_400
        self._meter = meter
        self._limits = limits or Limits()
        self._now = now
        self._settled: list[Settled] = []
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Send until cancelled.  Outcomes that are known then are still written."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._tidy_repeatedly())
                tasks.create_task(self._measure_repeatedly())
                while True:
                    self._news.clear()
                    for one in await self._turn(self._limits):
                        tasks.create_task(self._send(one))
                    with contextlib.suppress(TimeoutError):
                        async with TimeLimit(_POLL_SECONDS):
                            await self._news.wait()
        finally:
            if self._settled:
                await asyncio.shield(self._turn(Limits(all=0)))

    async def _turn(self, limits: Limits) -> list[Outgoing]:
        """Write the outcomes that are known, and return what to send now."""
        settled, self._settled = self._settled, []
        try:
            results, outgoing = await self._in_thread(
                lambda: self._store.turn(settled, limits, self._disable_seconds)
            )
        except StoreError as exc:
            self._settled = settled + self._settled
            logger.error("store_unavailable", remedy=str(exc))
            await asyncio.sleep(_AFTER_ERROR_SECONDS)
            return []
        for one in results:
            self._report(one)
        return outgoing

    async def _send(self, one: Outgoing) -> None:
        try:
            outcome = await self._attempt(one)
        except SendError as exc:
            outcome = AttemptOutcome(error=str(exc))
        except Exception as exc:  # noqa: BLE001  # it counts as an attempt, or it would recur forever
            outcome = AttemptOutcome(error=f"unexpected {type(exc).__name__}")
        self._settled.append(Settled(one, outcome))
        self._news.set()

    async def _attempt(self, one: Outgoing) -> AttemptOutcome:
        secrets = [Secret.read(text) for text in one.secrets]
        headers = signed_headers(secrets, one.delivery_id, int(self._now()), one.body)
        headers["content-type"] = "application/json"
        answer = await self._client.post(one.url, headers, one.body)
        if 200 <= answer.status < 300:
            return AttemptOutcome(answer.status)
        error = f"the answer has the status {answer.status}"
        return AttemptOutcome(answer.status, error, asked_pause(answer.headers, self._now()))

    def _report(self, result: Result) -> None:
        entry, decision = result.settled.sent.delivery_id, result.decision
        outcome = result.settled.outcome
        if decision.state is DeliveryState.DELIVERED:
            self._meter.attempted("delivered")
        elif decision.state is DeliveryState.DEAD:
            self._meter.attempted("given_up")
            logger.error("webhook_given_up", entry=entry, reason=outcome.error)
        else:
            self._meter.attempted("failed")
            seconds = round(decision.due_at - self._now(), 1)
            logger.warning(
                "webhook_failed", entry=entry, reason=outcome.error, again_in_seconds=seconds
            )
        if decision.disabled_reason:
            self._meter.disabled()
            logger.error(
                "webhook_disabled", name=result.webhook_id, reason=decision.disabled_reason
            )

    async def _tidy_repeatedly(self) -> None:
        while True:
            given_up = deleted = 1
            try:
                while given_up or deleted:
                    given_up, deleted = await self._in_thread(lambda: self._store.tidy(self._days))
                    if given_up:
                        self._meter.attempted("given_up", given_up)
                        reason = "not delivered within a day"
                        logger.error("webhooks_given_up", entries=given_up, reason=reason)
            except StoreError as exc:
                logger.error("store_unavailable", remedy=str(exc))
            await asyncio.sleep(_TIDY_SECONDS)

    async def _measure_repeatedly(self) -> None:
        dropped = 0
        while True:
            with contextlib.suppress(StoreError):  # `_turn` has logged it
                backlog = await self._in_thread(self._store.backlog)
                age = max(0.0, self._now() - backlog.oldest) if backlog.oldest else 0.0
                self._meter.backlog(backlog.waiting, age, backlog.dropped)
                if backlog.dropped > dropped:
                    logger.error("webhook_events_dropped", entries=backlog.dropped - dropped)
                dropped = backlog.dropped
            await asyncio.sleep(_BACKLOG_SECONDS)
