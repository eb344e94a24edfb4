"""
Recordings that are transcribed in the background, and `GET /v1/jobs/{id}`.

A job survives its gateway: another one, or the same after its restart, continues the call where the audio in Redis
ends (`broker/job_store.py`).
"""

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from broker.http.middleware import Endpoint, permit_of
from broker.http.uploads import UploadError, Uploads
from broker.job_store import JobStore, KeptJob, NoMemoryError
from broker.outgoing.delivery_queue import QueueFullError
from broker.recording_jobs import JobStatus, RecordingJob, read_job, write_job
from broker.redis_keys import CallKeys
from protocol.auth.credentials import Permit, Scope
from protocol.auth.http_routes import Route
from protocol.bridge_events import DialectError
from protocol.codecs.wav import Samples
from protocol.dialects.openai.transcriptions import error_body

from ...audio.files.container import ContainerError, ContainerStream
from ...session.bridge.bridge_session import RESTARTING, SUPERSEDED, TRY_AGAIN
from ...session.bridge.decoding import elsewhere
from ..recording_socket import Converse, RecordingSocket, file_thread, opened
from .ended_calls import replayed
from .job_callbacks import LOST, JobCallbacks, job_body
from .job_spec import JobPlayback, JobSpec, read_spec, running, written_spec

_PATH = "/v1/jobs/{call_id}"
_REPORT_SECONDS = 2.0
_LOOK_SECONDS = 2.0
_PAUSE_SECONDS = 5.0
"""Time after which a job is tried again for which there is no room now."""

_MOST_DEATHS = 3
"""Gateways that may die while they play one recording: it may be its fault."""

_NOT_NOW = "the recording could not be transcribed: try again"
_FATAL = "gateways have ended while they played this recording: convert it to another format"

logger = structlog.get_logger()


class RecordingJobs:
    """The jobs that this gateway has.  Each holds its share of the limits until it is done."""

    def __init__(
        self,
        redis: Redis,
        partitions: int,
        store: JobStore,
        callbacks: JobCallbacks,
        converse: Converse,
        has_room: Callable[[Permit], bool],
        *,
        pace: float,
        patience: float,
        longest: float,
        uploads: Uploads,
    ) -> None:
        """
        `pace`: speed relative to real time; `patience`: seconds to wait for a slow engine.

        `longest`: most seconds of audio in one recording in Deepgram's form.
        """
        self._redis = redis
        self.callbacks = callbacks
        self._partitions = partitions
        self._store = store
        self._converse = converse
        self._has_room = has_room
        self._pace = pace
        self._patience = patience
        self._longest = longest
        self._uploads = uploads
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
        self, spec: JobSpec, content: bytes, heard: Samples | ContainerStream, held: ExitStack
    ) -> None:
        """
        Play a recording in the background.  Raises UploadError.

        `heard`: the audio of `content`; `held` is what the job uses, given back at its end.
        """
        kept = KeptJob(spec.filed_id, written_spec(spec))
        try:
            await self._keep(kept, spec, content)
        except BaseException:
            held.close()
            raise
        self._begin(kept, JobPlayback(spec, heard), held)

    async def _keep(self, kept: KeptJob, spec: JobSpec, content: bytes) -> None:
        """Store a new job.  Raises UploadError."""
        keys = self._keys(spec.filed_id)
        try:
            known = await read_job(self._redis, keys)
            if known is not None and known.status is JobStatus.RUNNING:
                raise UploadError(409, "in_progress", "a job with this call_id is in progress")
            await self._store.put(kept, content)
            try:
                await self.callbacks.begin(spec)
            except QueueFullError:
                await self._store.end(kept)
                raise
            await write_job(self._redis, keys, RecordingJob(JobStatus.RUNNING))
        except QueueFullError as exc:
            raise UploadError(503, "callbacks", "too many callbacks wait: try again") from exc
        except NoMemoryError as exc:
            text = "Redis has no memory for this recording: try again"
            raise UploadError(503, "redis", text) from exc
        except (RedisError, OSError) as exc:
            raise UploadError(503, "redis", "Redis does not answer; try again") from exc

    async def run(self) -> None:
        """Continue jobs whose gateways have ended, until cancelled; then leave all jobs to other gateways."""
        try:
            while True:
                with contextlib.suppress(RedisError, OSError):
                    while kept := await self._store.claim():
                        await self._take_over(kept)
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, kept: KeptJob, playback: JobPlayback, held: ExitStack) -> None:
        task = asyncio.create_task(self._work(kept, playback, held))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take_over(self, kept: KeptJob) -> None:
        """Continue a job, or tell its end if it is over.  Raises the errors of redis-py."""
        spec = read_spec(kept.spec)
        if spec is None:
            logger.warning("job_unreadable", call_id=kept.filed_id)
            return
        try:
            if not await self._is_over(kept, spec):
                await self._continue(kept, spec)
        except (RedisError, OSError):
            raise
        except Exception as exc:  # noqa: BLE001  # it would recur: the job ends
            logger.error("job_error", call_id=kept.filed_id, error=type(exc).__name__)
            await self._end(kept, spec, LOST, None)

    async def _is_over(self, kept: KeptJob, spec: JobSpec) -> bool:
        """Return whether a claimed job is over; its end is told if the gateway that died has not done it."""
        keys = self._keys(spec.filed_id)
        known = await read_job(self._redis, keys)
        if known is not None and known.status is not JobStatus.RUNNING:
            await self._store.end(kept)
            return True
        results = await replayed(self._redis, keys, spec)
        if results is None:
            return False
        job = RecordingJob(JobStatus.DONE, results.played_ms) if results.complete else LOST
        await self._end(kept, spec, job, spec.result(results))
        return True

    async def _continue(self, kept: KeptJob, spec: JobSpec) -> None:
        if not self._has_room(spec.permit):
            await self._store.change(kept, kept.spec, _PAUSE_SECONDS)
            return
        if spec.deaths >= _MOST_DEATHS:
            await self._end(kept, spec, RecordingJob(JobStatus.FAILED, error=_FATAL), None)
            return
        content = await self._store.content(kept)
        if not content:
            await self._end(kept, spec, LOST, None)
            return
        later = replace(spec, deaths=spec.deaths + 1)
        held = ExitStack()
        await self._uploads.learn(spec.permit.tenant)
        try:
            held.enter_context(self._uploads.upload(spec.permit.tenant))(len(content))
            held.enter_context(self._uploads.work.held(spec.permit.tenant))
            heard = await self._opened(spec, content)
        except UploadError:
            held.close()
            await self._store.change(kept, kept.spec, _PAUSE_SECONDS)
        except (DialectError, ContainerError) as exc:
            held.close()
            await self._end(kept, spec, RecordingJob(JobStatus.FAILED, error=str(exc)), None)
        else:
            if isinstance(heard, ContainerStream):
                held.callback(heard.close)
            if not await self._store.change(kept, written_spec(later)):
                held.close()
                return
            logger.warning("job_continued", call_id=spec.filed_id)
            self._begin(kept, JobPlayback(later, heard), held)

    async def _opened(self, spec: JobSpec, content: bytes) -> Samples | ContainerStream:
        if spec.listen is not None:
            return await opened(spec.listen, content, self._longest)
        return await file_thread(partial(ContainerStream, content))

    async def _work(self, kept: KeptJob, playback: JobPlayback, held: ExitStack) -> None:
        """Play a recording, and tell its end; leave it to another gateway if this one stops."""
        with held:
            read = elsewhere if isinstance(playback.heard, Samples) else file_thread
            said, results = playback.said(), playback.results
            socket = RecordingSocket(said, results, self._pace, self._patience, read)
            talk = self._converse(socket, playback.dialect, playback.spec.permit)
            playing = asyncio.ensure_future(talk)
            try:
                while not (await asyncio.wait({playing}, timeout=_REPORT_SECONDS))[0]:
                    if not await self._report(kept, playback):
                        return
                await self._settle(kept, playback, socket.code)
            except asyncio.CancelledError:
                await self._leave(kept, playback.spec, 0)
                raise
            finally:
                playing.cancel()
                await asyncio.gather(playing, return_exceptions=True)

    async def _settle(self, kept: KeptJob, playback: JobPlayback, code: int | None) -> None:
        """Tell the end of a job whose call is over here.  `code`: close code of its connection."""
        spec, results = playback.spec, playback.results
        if playback.fault is None and not results.complete:
            if code == SUPERSEDED:
                return
            if code in (RESTARTING, TRY_AGAIN) and spec.deaths < _MOST_DEATHS:
                await self._leave(kept, spec, 0 if code == RESTARTING else _PAUSE_SECONDS)
                return
        failed = playback.fault or (None if results.complete else _NOT_NOW)
        status = JobStatus.FAILED if failed else JobStatus.DONE
        job = RecordingJob(status, playback.played_ms, failed or "")
        result = None if failed else await elsewhere(lambda: spec.result(results))
        with contextlib.suppress(RedisError, OSError):  # another gateway tells it from the log
            await self._end(kept, spec, job, result)

    async def _end(
        self, kept: KeptJob, spec: JobSpec, job: RecordingJob, result: dict[str, object] | None
    ) -> None:
        """Tell the end of a job, and forget it.  Raises the errors of redis-py."""
        if not await self._store.renew(kept):
            return
        with contextlib.suppress(QueueFullError):  # the message of its loss is sent
            await self.callbacks.done(spec, job, result)
        await write_job(self._redis, self._keys(spec.filed_id), job)
        await self._store.end(kept)

    async def _leave(self, kept: KeptJob, spec: JobSpec, seconds: float) -> None:
        """Let another gateway have a job, in `seconds`.  It is not the fault of the recording."""
        is_restart = seconds == 0
        later = replace(spec, deaths=spec.deaths - 1 if is_restart and spec.deaths else spec.deaths)
        with contextlib.suppress(RedisError, OSError):  # its claim ends
            await self._store.change(kept, written_spec(later), seconds)

    async def _report(self, kept: KeptJob, playback: JobPlayback) -> bool:
        """Tell how far a job is.  Returns False if another gateway has it."""
        with contextlib.suppress(RedisError, OSError):  # the next state is written in time
            if not await self._store.renew(kept):
                return False
            await write_job(self._redis, self._keys(kept.filed_id), running(playback))
            await self.callbacks.still_running(playback.spec)
        return True

    def _keys(self, filed_id: str) -> CallKeys:
        return CallKeys.of(filed_id, self._partitions)
