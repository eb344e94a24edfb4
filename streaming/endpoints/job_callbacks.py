"""Calls the URL that a client has named for its background job, when the job is done."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
from redis.asyncio import Redis

from broker.outgoing.delivery_queue import Delivery, DeliveryQueue
from broker.outgoing.http_client import OutgoingHttp
from broker.outgoing.sender import Sender
from broker.recording_jobs import JobStatus, RecordingJob
from broker.redis_keys import DeliveryKeys
from protocol.dialects.openai.transcriptions import Callback
from protocol.outgoing.destinations import Destinations

_QUEUE = "callbacks"

_LOST_SECONDS = 60.0
"""Time without a sign of life of its gateway after which a job counts as lost."""

_LOST = RecordingJob(
    JobStatus.FAILED, error="the gateway of this job has ended: send the recording again"
)


class JobCallbacks:
    """
    The callbacks of background jobs.

    When a job begins, the message that it was lost is queued, for later.  While its gateway lives, it is put off
    again and again; at the end of the job its result takes its place.  So the client hears of every job.
    """

    def __init__(self, redis: Redis, destinations: Destinations) -> None:
        """`destinations`: where callbacks may be sent."""
        self._destinations = destinations
        self._queue = DeliveryQueue(redis, DeliveryKeys(_QUEUE))
        self._sender = Sender(self._queue, OutgoingHttp(destinations))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send callbacks while the context is active."""
        sending = asyncio.create_task(self._sender.run())
        try:
            yield
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    def check(self, callback: Callback) -> None:
        """Raise DestinationError if callbacks may not be sent there."""
        self._destinations.check_url(callback.url)

    async def begin(self, filed_id: str, call_id: str, callback: Callback) -> None:
        """Note that a job begins.  Raises QueueFullError and the errors of redis-py."""
        await self._queue.put(filed_id, _delivery(call_id, callback, _LOST), _LOST_SECONDS)

    async def still_running(self, filed_id: str) -> None:
        """Note that the gateway of a job lives; to be called more often than every minute."""
        await self._queue.postpone(filed_id, _LOST_SECONDS)

    async def done(
        self, filed_id: str, call_id: str, callback: Callback, job: RecordingJob
    ) -> None:
        """Tell the end of a job.  Raises QueueFullError and the errors of redis-py."""
        await self._queue.put(filed_id, _delivery(call_id, callback, job))
        self._sender.wake()


def _delivery(call_id: str, callback: Callback, job: RecordingJob) -> Delivery:
    said = {
        "type": f"job.{job.status}",
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": job_body(call_id, job),
    }
    webhook_id = f"job_{secrets.token_hex(12)}"
    return Delivery(webhook_id, callback.url, msgspec.json.encode(said), (callback.secret,))


def job_body(call_id: str, job: RecordingJob) -> dict[str, object]:
    """Return the state of a job as clients see it."""
    said = {"id": call_id, "status": job.status, "played_ms": job.played_ms}
    return said | {"call_id": call_id} | ({"error": job.error} if job.error else {})
