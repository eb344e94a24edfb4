"""Recordings that are transcribed in the background: who owns their tasks, and `GET /v1/jobs/{id}`."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from broker.http.middleware import Endpoint, permit_of
from broker.recording_jobs import JobStatus, RecordingJob, read_job, write_job
from broker.redis_keys import CallKeys
from protocol.auth.credentials import Scope
from protocol.auth.http_routes import Route
from protocol.dialects.base import Message
from protocol.dialects.openai.transcriptions import error_body

_PATH = "/v1/jobs/{call_id}"
_REPORT_SECONDS = 2.0
_MESSAGE_MS = 100
"""Length of the audio in one message that is played."""

log = structlog.get_logger()


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

    def __init__(self, redis: Redis, partitions: int) -> None:
        self._redis = redis
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
        return JSONResponse(_body(named, job))

    async def start(
        self,
        filed_id: str,
        said: Counted,
        play: Coroutine[Any, Any, None],
        fault: Callable[[], str | None],
        held: ExitStack,
    ) -> None:
        """
        Play a recording in the background.  Raises the errors of redis-py, before it begins.

        `fault` returns why the finished job has failed, or None; `held` is what it uses, given back at its end.
        """
        keys = self._keys(filed_id)
        try:
            await write_job(self._redis, keys, RecordingJob(JobStatus.RUNNING))
        except BaseException:
            play.close()
            held.close()
            raise
        task = asyncio.create_task(self._work(keys, said, play, fault, held))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End the jobs: their calls have ended with their gateway."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(
        self,
        keys: CallKeys,
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
                    await self._write(keys, job)
            finally:
                playing.cancel()
                await asyncio.gather(playing, return_exceptions=True)
        failed = fault()
        status = JobStatus.FAILED if failed else JobStatus.DONE
        await self._write(keys, RecordingJob(status, said.played_ms, failed or ""))

    async def _write(self, keys: CallKeys, job: RecordingJob) -> None:
        with contextlib.suppress(RedisError, OSError):  # the next state is written in time
            await write_job(self._redis, keys, job)

    def _keys(self, filed_id: str) -> CallKeys:
        return CallKeys.of(filed_id, self._partitions)


def accepted(call_id: str) -> Response:
    """Return the answer to a recording that is transcribed in the background."""
    job = _body(call_id, RecordingJob(JobStatus.RUNNING))
    return JSONResponse(job, 202, {"Location": f"/v1/jobs/{call_id}"})


def _body(call_id: str, job: RecordingJob) -> dict[str, object]:
    said = {"id": call_id, "status": job.status, "played_ms": job.played_ms}
    return said | {"call_id": call_id} | ({"error": job.error} if job.error else {})
