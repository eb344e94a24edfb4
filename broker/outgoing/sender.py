"""Sends the requests of a queue when they are due."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog
from redis.exceptions import RedisError

from protocol.outgoing.retry_after import asked_pause
from protocol.outgoing.webhooks import Secret, pause_after, signed_headers

from ..time_limits import TimeLimit
from .delivery_queue import Claimed, DeliveryQueue
from .http_client import HttpAnswer, SendError

_POLL_SECONDS = 1.0
_AT_ONCE = 16
"""Most simultaneous requests of one process."""

_OF_A_TENANT = 4
"""Most simultaneous requests of one tenant: its receiver may not answer, and others have room."""

_GONE = 410
"""The receiver wants no more of it."""

logger = structlog.get_logger()


class Client(Protocol):
    """What sends one request."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Return the answer without its body.  Raises SendError."""
        ...


@dataclass(frozen=True, slots=True)
class _Failed:
    """A failed attempt: status of the answer, or what failed; seconds that the receiver asks to wait."""

    reason: str | int
    asked_pause: float = 0.0


class Sender:
    """Sends what is due, a few requests of each tenant at a time: slow receivers bound only their tenant."""

    def __init__(
        self, queue: DeliveryQueue, client: Client, now: Callable[[], float] = time.time
    ) -> None:
        """`now` returns Unix seconds."""
        self._queue = queue
        self._client = client
        self._now = now
        self._news = asyncio.Event()
        self._sending: Counter[str] = Counter()
        self._first = 0
        """Which tenant is asked first: each in turn."""

    def wake(self) -> None:
        """Look for due requests now."""
        self._news.set()

    async def run(self) -> None:
        """Send until cancelled.  What is in progress then is sent again by another process."""
        async with asyncio.TaskGroup() as sending:
            while True:
                self._news.clear()
                for one in await self._due():
                    self._sending[one.tenant] += 1
                    sending.create_task(self._send(one))
                with contextlib.suppress(TimeoutError):
                    async with TimeLimit(_POLL_SECONDS):
                        await self._news.wait()

    async def _due(self) -> list[Claimed]:
        """Claim requests of each tenant in turn, while there is room."""
        found: list[Claimed] = []
        try:
            tenants = await self._queue.tenants()
            self._first = (self._first + 1) % len(tenants)
            for tenant in tenants[self._first :] + tenants[: self._first]:
                room = _AT_ONCE - self._sending.total() - len(found)
                if most := max(0, min(room, _OF_A_TENANT - self._sending[tenant])):
                    found += await self._queue.claim(most, tenant=tenant)
        except (RedisError, OSError) as exc:
            logger.warning("redis_unavailable", error=type(exc).__name__)
        return found

    async def _send(self, one: Claimed) -> None:
        try:
            await self._settle(one, await self._attempt(one))
        except Exception as exc:  # noqa: BLE001  # one request must not end the others; it is claimed again
            logger.error("delivery_error", entry=one.delivery.webhook_id, error=type(exc).__name__)
        finally:
            self._sending[one.tenant] -= 1
            self._news.set()

    async def _attempt(self, one: Claimed) -> "_Failed | None":
        """Send a request once.  Returns None if it was accepted."""
        delivery = one.delivery
        try:
            secrets = [Secret.read(text) for text in delivery.secrets]
            headers = signed_headers(secrets, delivery.webhook_id, int(self._now()), delivery.body)
            headers["content-type"] = "application/json"
            answer = await self._client.post(delivery.url, headers, delivery.body)
        except SendError as exc:
            return _Failed(str(exc))
        except Exception as exc:  # noqa: BLE001  # it counts as an attempt, or it would recur forever
            return _Failed(f"unexpected {type(exc).__name__}")
        if 200 <= answer.status < 300:
            return None
        return _Failed(answer.status, asked_pause(answer.headers, self._now()))

    async def _settle(self, one: Claimed, failed: "_Failed | None") -> None:
        entry = one.delivery.webhook_id
        if failed is None:
            logger.info("delivered", entry=entry)
            await self._queue.settle(one)
            return
        pause = pause_after(one.delivery.attempts + 1, random.random())
        if pause is None or failed.reason == _GONE:
            logger.error("delivery_given_up", entry=entry, reason=failed.reason)
            await self._queue.settle(one)
        else:
            pause = max(pause, failed.asked_pause)
            logger.warning(
                "delivery_failed",
                entry=entry,
                reason=failed.reason,
                again_in_seconds=round(pause, 1),
            )
            await self._queue.send_again(one, pause)
