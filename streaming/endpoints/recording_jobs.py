"""Recordings that are transcribed in the background: who owns their tasks, and `GET /v1/jobs/{id}`."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from broker.http.middleware import Endpoint, permit_of
from broker.outgoing.delivery_queue import QueueFullError
from broker.recording_jobs import JobStatus, RecordingJob, read_job, write_job
from broker.redis_keys import CallKeys
from protocol.auth.credentials import Scope
from protocol.auth.http_routes import Route
from protocol.dialects.base import Message
from protocol.dialects.openai.transcriptions import Callback, error_body

from .job_callbacks import JobCallbacks, job_body

_PATH = "/v1/jobs/{call_id}"
_REPORT_SECONDS = 2.0
_MESSAGE_MS = 100
"""Length of the audio in one message that is played."""

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class JobName:
    """Which job: the id of its call as it is stored and as the client knows it, and whom to tell its end."""

    filed_id: str
    call_id: str
    callback: Callback | None = None


class Counted:
    """The messages of a recording, counted while they are read."""

    def __init__(self, said: Iterator[Message]) -> None:
        self._said = said
        self._read = 0

    def __iter__(self) -> Iterator[Message]:
        return self

    def __next__(self) -> Message:
        message = next(self._said)
        self._read += 1
        return message

    @property
    def played_ms(self) -> int:
        """Length of the audio that was read."""
        return self._read * _MESSAGE_MS


class RecordingJobs:
    """The jobs of this gateway.  Each holds its share of the limits until it is done."""

    def __init__(self, redis: Redis, partitions: int, callbacks: JobCallbacks) -> None:
        self._redis = redis
        self.callbacks = callbacks
        self._partitions = partitions
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def endpoint(self) -> Endpoint:
        """The route and the handler."""
        return Endpoint(Route(_PATH, Scope.INGEST), self.answer)

    async def answer(self, request: HttpRequest) -> Response:
        """Return the state of a job; 404 if there is none."""
        named = request.path_params["call_id"]
        try:
            job = await read_job(self._redis, self._keys(permit_of(request).filed(named)))
        except (RedisError, OSError):
            body = error_body("Redis does not answer; try again", "server_error")
            return JSONResponse(body, 503, {"Retry-After": "1"})
        if job is None:
            return JSONResponse(error_body("no such job"), 404)
        return JSONResponse(job_body(named, job))

    async def start(
        self,
        named: JobName,
        said: Counted,
        play: Coroutine[Any, Any, None],
        fault: Callable[[], str | None],
        held: ExitStack,
    ) -> None:
        """
        Play a recording in the background.  Raises QueueFullError and the errors of redis-py, before it begins.

        `fault` returns why the finished job has failed, or None; `held` is what it uses, given back at its end.
        """
        try:
            if named.callback is not None:
                await self.callbacks.begin(named.filed_id, named.call_id, named.callback)
            await write_job(
                self._redis, self._keys(named.filed_id), RecordingJob(JobStatus.RUNNING)
            )
        except BaseException:
            play.close()
            held.close()
            raise
        task = asyncio.create_task(self._work(named, said, play, fault, held))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End the jobs: their calls have ended with their gateway."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(
        self,
        named: JobName,
        said: Counted,
        play: Coroutine[Any, Any, None],
        fault: Callable[[], str | None],
        held: ExitStack,
    ) -> None:
        with held:
            playing = asyncio.ensure_future(play)
            try:
                while not (await asyncio.wait({playing}, timeout=_REPORT_SECONDS))[0]:
                    job = RecordingJob(JobStatus.RUNNING, said.played_ms)
                    await self._write(named, job)
            finally:
                playing.cancel()
                await asyncio.gather(playing, return_exceptions=True)
        failed = fault()
        status = JobStatus.FAILED if failed else JobStatus.DONE
        await self._write(named, RecordingJob(status, said.played_ms, failed or ""))

    async def _write(self, named: JobName, job: RecordingJob) -> None:
        with contextlib.suppress(RedisError, OSError):  # the next state is written in time
            await write_job(self._redis, self._keys(named.filed_id), job)
        if named.callback is None:
            return
        with contextlib.suppress(
            RedisError, OSError, QueueFullError
        ):  # the message of its loss is sent
            if job.status is JobStatus.RUNNING:
                await self.callbacks.still_running(named.filed_id)
            else:
                await self.callbacks.done(named.filed_id, named.call_id, named.callback, job)

    def _keys(self, filed_id: str) -> CallKeys:
        return CallKeys.of(filed_id, self._partitions)


def accepted(call_id: str) -> Response:
    """Return the answer to a recording that is transcribed in the background."""
    job = job_body(call_id, RecordingJob(JobStatus.RUNNING))
    return JSONResponse(job, 202, {"Location": f"/v1/jobs/{call_id}"})
