"""
Transcription of recordings over HTTP, in the form of OpenAI's API.

A recording passes through the pipeline like one that comes in Deepgram's form: with the same limits, through the
job streams of recordings, behind live calls. It is stored as a call.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import structlog
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from broker.http.middleware import Endpoint, permit_of
from broker.http.uploads import BodyLimits, UploadError, Uploads, body_parts
from protocol.auth.credentials import Permit, Scope
from protocol.auth.http_routes import Route
from protocol.bridge_events import DialectError
from protocol.dialects.deepgram.live import Deepgram
from protocol.dialects.deepgram.live_results import LiveResults
from protocol.dialects.openai.transcriptions import (
    Transcription,
    Wanted,
    delta_event,
    done_event,
    error_body,
    read_fields,
)
from protocol.outgoing.destinations import DestinationError

from ..audio.files.container import ContainerError, ContainerStream
from .jobs.job_callbacks import accepted
from .jobs.job_spec import JobSpec, job_id
from .jobs.recording_jobs import RecordingJobs
from .recording_messages import messages
from .recording_socket import Converse, RecordingSocket, file_thread
from .recordings import NO_ROOM

PATH = "/v1/audio/transcriptions"

_LONGEST_BODY = 100 * 1024 * 1024
"""Limit in bytes: three hours of mp3 at 64 kbit/s and a bit more.  The whole body is held in memory."""

_MOST_FIELDS = 64
_LONGEST_PART = 65_536

_NOT_NOW = "the recording could not be transcribed: try again"

logger = structlog.get_logger()


class _InMemory(MultiPartParser):
    """A parser of forms that writes no part to a disk."""

    spool_max_size = 2 * _LONGEST_BODY


@dataclass(frozen=True, slots=True)
class RecordingTask:
    """A recording that is being transcribed."""

    heard: ContainerStream
    wanted: Wanted
    results: LiveResults
    permit: Permit


class Transcriptions:
    """Answers `POST /v1/audio/transcriptions`."""

    def __init__(
        self,
        converse: Converse,
        has_room: Callable[[Permit], bool],
        *,
        pace: float,
        patience: float,
        uploads: Uploads,
        jobs: RecordingJobs,
    ) -> None:
        """`pace`: speed relative to real time; `patience`: seconds to wait for a slow engine."""
        self._jobs = jobs
        self._converse = converse
        self._has_room = has_room
        self._pace = pace
        self._patience = patience
        self._uploads = uploads

    @property
    def endpoint(self) -> Endpoint:
        """The route and the handler."""
        return Endpoint(Route(PATH, Scope.INGEST, frozenset({"POST"})), self.answer)

    async def answer(self, request: HttpRequest) -> ASGIApp:
        """Return 200 with the transcript or its stream, 400 with the error, 429 or 503 to try again."""
        permit = permit_of(request)
        held = ExitStack()
        await self._uploads.learn(permit.tenant)
        try:
            grow = held.enter_context(self._uploads.upload(permit.tenant))
            if not self._has_room(permit):
                raise UploadError(503, "full", NO_ROOM)
            wanted, content = await self._read(request, grow)
            if wanted.callback is not None:
                self._jobs.callbacks.check(wanted.callback)
            held.enter_context(self._uploads.work.held(permit.tenant))
            heard = held.enter_context(await file_thread(partial(ContainerStream, content)))
            played = RecordingTask(heard, wanted, LiveResults(), permit)
            if wanted.in_background:
                return await self._in_background(played, content, held.pop_all())
            del content  # the child process has it
            if wanted.streamed:
                return _Streamed(self._play, played, held.pop_all())
            await self._play(played)
            return _whole(played)
        except (DialectError, ContainerError, DestinationError) as exc:
            return JSONResponse(error_body(str(exc)), 400)
        except UploadError as exc:
            logger.info("upload_refused", status=exc.status, reason=exc.reason)
            return _refused(exc.status, str(exc))
        finally:
            held.close()

    async def _read(
        self, request: HttpRequest, grow: Callable[[int], None]
    ) -> tuple[Wanted, bytes]:
        """Return the fields of the form and the content of its file."""
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise DialectError("send a form (multipart/form-data) with the recording as its file")
        limits = BodyLimits(_LONGEST_BODY, self._uploads.slowest)
        parser = _InMemory(
            request.headers,
            body_parts(request, limits, grow),  # type: ignore[arg-type]  # an AsyncIterator is enough
            max_files=1,
            max_fields=_MOST_FIELDS,
            max_part_size=_LONGEST_PART,
        )
        try:
            form = await parser.parse()
        except (MultiPartException, KeyError) as exc:
            raise DialectError("the form cannot be read") from exc
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise DialectError("there is no file in the form")
        fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        return read_fields(fields), await file.read()

    async def _in_background(
        self, played: RecordingTask, content: bytes, held: ExitStack
    ) -> Response:
        """Play the recording in the background, and answer with the id of its job and call."""
        wanted = played.wanted
        try:
            call_id = job_id(wanted.call_id, played.permit)
        except DialectError:
            held.close()
            raise
        wanted = replace(wanted, call_id=call_id, callback=None)
        spec = JobSpec(call_id, played.permit, wanted=wanted, callback=played.wanted.callback)
        await self._jobs.start(spec, content, played.heard, held)
        return accepted(call_id)

    async def _play(self, played: RecordingTask) -> None:
        heard = played.heard
        live = played.wanted.as_live(heard.rate, heard.channels)
        said = messages(heard, heard.rate)
        socket = RecordingSocket(said, played.results, self._pace, self._patience, file_thread)
        await self._converse(socket, Deepgram(live, recorded=True), played.permit)


def _fault(played: RecordingTask) -> str | None:
    """Return why a recording has no transcript, after it was played; None if it has one."""
    if fault := played.results.fault or played.heard.fault:
        return fault
    return None if played.results.complete else _NOT_NOW


def _whole(played: RecordingTask) -> Response:
    fault = _fault(played)
    if fault == _NOT_NOW:
        logger.warning("recording_not_transcribed")
        return _refused(503, fault)
    if fault is not None:
        return JSONResponse(error_body(fault), 400)
    text, media = Transcription(played.results).answer(played.wanted)
    return Response(text, headers={"cache-control": "no-store"}, media_type=media)


def _refused(status: int, text: str) -> Response:
    retry = {"Retry-After": "2"} if status in (429, 503) else {}
    kind = "server_error" if status == 503 else "invalid_request_error"
    return JSONResponse(error_body(text, kind), status, retry)


class _Streamed:
    """An answer as server-sent events, while the recording is played."""

    def __init__(
        self,
        play: Callable[[RecordingTask], Coroutine[Any, Any, None]],
        played: RecordingTask,
        held: ExitStack,
    ) -> None:
        """`held`: what the request uses, given back at its end."""
        self._play = play
        self._played = played
        self._held = held

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        with self._held:
            playing = asyncio.ensure_future(self._play(self._played))
            try:
                answer = StreamingResponse(
                    self._events(playing),
                    headers={"cache-control": "no-store"},
                    media_type="text/event-stream",
                )
                await answer(scope, receive, send)
            finally:
                playing.cancel()
                await asyncio.gather(playing, return_exceptions=True)

    async def _events(self, playing: "asyncio.Future[None]") -> AsyncIterator[str]:
        transcription = Transcription(self._played.results)
        while True:
            await asyncio.wait({playing}, timeout=0.1)
            for delta in transcription.deltas():
                yield f"data: {delta_event(delta)}\n\n"
            if playing.done():
                break
        fault = _fault(self._played)
        if fault is None:
            yield f"data: {done_event(transcription.text)}\n\n"
        else:
            yield f"data: {_encoded_error(fault)}\n\n"


def _encoded_error(text: str) -> str:
    return bytes(JSONResponse(error_body(text, "server_error")).body).decode()
