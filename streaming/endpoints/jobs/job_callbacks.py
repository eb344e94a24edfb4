"""Calls the URL that a client has named for its background job, when the job is done."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
from redis.asyncio import Redis
from starlette.responses import JSONResponse, Response

from broker.job_store import KEEP_SECONDS
from broker.outgoing.delivery_queue import MOST, Delivery, DeliveryQueue
from broker.outgoing.http_client import OutgoingHttp
from broker.outgoing.sender import Sender
from broker.recording_jobs import JobStatus, RecordingJob
from broker.redis_keys import DeliveryKeys
from protocol.outgoing.destinations import Destinations
from protocol.outgoing.webhooks import Callback

from .job_spec import JobSpec

_QUEUE = "callbacks"

_MOST_RESULTS = 32
"""Most callbacks with whole results that wait for the receivers of one tenant: each may have megabytes."""

LOST = RecordingJob(
    JobStatus.FAILED,
    error="the gateway of this job has ended, and no other could continue it: send the recording again",
)


class JobCallbacks:
    """
    The callbacks of background jobs.

    When a job begins, the message that it was lost is queued, for later.  While a gateway has the job, it is put
    off again and again; at the end of the job its result takes its place.  So the client hears of every job.
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

    async def begin(self, spec: JobSpec) -> None:
        """Note that a job begins.  Raises QueueFullError and the errors of redis-py."""
        if spec.callback is not None:
            most = _MOST_RESULTS if spec.listen is not None else MOST
            await self._queue.put(
                spec.filed_id,
                _delivery(spec, spec.callback, _body(spec, LOST, None)),
                KEEP_SECONDS,
                tenant=spec.permit.tenant,
                most=most,
            )

    async def still_running(self, spec: JobSpec) -> None:
        """Note that a gateway has a job; to be called more often than every hour."""
        if spec.callback is not None:
            await self._queue.postpone(spec.filed_id, KEEP_SECONDS, tenant=spec.permit.tenant)

    async def done(self, spec: JobSpec, job: RecordingJob, result: dict[str, Any] | None) -> None:
        """
        Tell the end of a job; `result`: the transcript, where the form has it.

        Raises QueueFullError and the errors of redis-py.
        """
        if spec.callback is not None:
            delivery = _delivery(spec, spec.callback, _body(spec, job, result))
            await self._queue.put(spec.filed_id, delivery, tenant=spec.permit.tenant)
            self._sender.wake()


def _delivery(spec: JobSpec, callback: Callback, body: bytes) -> Delivery:
    secrets = (callback.secret,) if callback.secret else ()
    return Delivery(spec.message_id, callback.url, body, secrets)


def _body(spec: JobSpec, job: RecordingJob, result: dict[str, Any] | None) -> bytes:
    """In Deepgram's form the result itself, or an error of that form; else a message about the job."""
    if result is not None:
        return msgspec.json.encode(result)
    if spec.listen is not None:
        why = job.error or "the transcript is too long for a callback: fetch it from /v1/calls"
        said = {"err_code": "Bad Request", "err_msg": why, "request_id": spec.call_id}
        return msgspec.json.encode(said)
    message = {
        "type": f"job.{job.status}",
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": job_body(spec.call_id, job),
    }
    return msgspec.json.encode(message)


def job_body(call_id: str, job: RecordingJob) -> dict[str, object]:
    """Return the state of a job as clients see it."""
    said = {"id": call_id, "status": job.status, "played_ms": job.played_ms}
    return said | {"call_id": call_id} | ({"error": job.error} if job.error else {})


def accepted(call_id: str) -> Response:
    """Return the answer to a recording that is transcribed in the background."""
    job = job_body(call_id, RecordingJob(JobStatus.RUNNING))
    return JSONResponse(job, 202, {"Location": f"/v1/jobs/{call_id}"})
