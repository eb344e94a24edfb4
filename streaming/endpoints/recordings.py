"""
Transcription of recordings over HTTP, in the form of Deepgram's pre-recorded API.

A recording goes through the same pipeline as a call, only faster: it is queued, transcribed, stored and counted in
the same way.
"""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from http import HTTPStatus

import structlog
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from broker.http.middleware import Endpoint, permit_of
from broker.http.uploads import BodyLimits, UploadError, Uploads, read_body
from protocol.auth.credentials import Permit, Scope
from protocol.auth.http_routes import Route
from protocol.bridge_events import DialectError
from protocol.codecs.wav import Samples
from protocol.dialects.base import Request
from protocol.dialects.deepgram.live import Deepgram
from protocol.dialects.deepgram.live_results import LiveResults
from protocol.dialects.deepgram.prerecorded import Report, as_live, callback_of
from protocol.outgoing.destinations import DestinationError

from ..audio.files.container import ContainerStream
from ..session.bridge.decoding import elsewhere
from .jobs.job_spec import JobSpec, job_id
from .jobs.recording_jobs import RecordingJobs
from .recording_messages import messages, rate_of
from .recording_socket import Converse, RecordingSocket, file_thread, opened

PATH = "/v1/listen"

_LONGEST_BODY = 32 * 1024 * 1024
"""Limit in bytes: half an hour of 16 bit at 8 kHz, more than an hour of mu-law."""

NO_ROOM = "all recording slots are in use: try again later"

logger = structlog.get_logger()


class Recordings:
    """Answers `POST /v1/listen`."""

    def __init__(
        self,
        converse: Converse,
        has_room: Callable[[Permit], bool],
        *,
        pace: float,
        patience: float,
        longest: float,
        uploads: Uploads,
        jobs: RecordingJobs,
    ) -> None:
        """
        `pace`: speed relative to real time; `patience`: seconds to wait for a slow engine.

        `longest`: most seconds of audio in one recording.
        """
        self._converse = converse
        self._has_room = has_room
        self._pace = pace
        self._patience = patience
        self._longest = longest
        self._uploads = uploads
        self._jobs = jobs

    @property
    def endpoint(self) -> Endpoint:
        """The route and the handler."""
        return Endpoint(Route(PATH, Scope.INGEST, frozenset({"POST"})), self.answer)

    async def answer(self, request: HttpRequest) -> Response:
        """Return 200 with the transcript, 400 with the error, 429 or 503 if the client should try again."""
        permit = permit_of(request)
        held = ExitStack()
        await self._uploads.learn(permit.tenant)
        try:
            grow = held.enter_context(self._uploads.upload(permit.tenant))
            if not self._has_room(permit):
                return _busy(NO_ROOM)
            body = await read_body(request, BodyLimits(_LONGEST_BODY, self._uploads.slowest), grow)
            held.enter_context(self._uploads.work.held(permit.tenant))
            if not self._has_room(permit):
                return _busy(NO_ROOM)
            return await self._transcribe(_seen_by_dialect(request), body, permit, held)
        except (DialectError, DestinationError) as exc:
            return _fault(400, "Bad Request", str(exc))
        except UploadError as exc:
            logger.info("upload_refused", status=exc.status, reason=exc.reason)
            return _fault(exc.status, HTTPStatus(exc.status).phrase, str(exc))
        finally:
            held.close()

    async def _transcribe(
        self, request: Request, body: bytes, permit: Permit, held: ExitStack
    ) -> Response:
        callback = callback_of(request)
        if callback is not None:
            self._jobs.callbacks.check(callback)
        heard = await opened(request, body, self._longest)
        if isinstance(heard, ContainerStream):
            held.callback(heard.close)
        sha256 = await elsewhere(lambda: hashlib.sha256(body).hexdigest())
        if callback is None:
            return await self._play(request, sha256, permit, heard)
        call_id = job_id(request.first("call_id"), permit)
        named = (pair for pair in request.query if pair[0] != "call_id")
        listen = replace(request, query=(*named, ("call_id", call_id)))
        spec = JobSpec(call_id, permit, listen=listen, callback=callback, sha256=sha256)
        await self._jobs.start(spec, body, heard, held.pop_all())
        return JSONResponse({"request_id": call_id})

    async def _play(
        self, request: Request, sha256: str, permit: Permit, heard: Samples | ContainerStream
    ) -> Response:
        rate, results = rate_of(heard), LiveResults()
        read = elsewhere if isinstance(heard, Samples) else file_thread
        played = RecordingSocket(messages(heard, rate), results, self._pace, self._patience, read)
        await self._converse(
            played, Deepgram(as_live(request, rate, heard.channels), recorded=True), permit
        )
        broken = heard.fault if isinstance(heard, ContainerStream) else None
        if fault := results.fault or broken:
            return _fault(400, "Bad Request", fault)
        if not results.complete:
            logger.warning("recording_not_transcribed", code=played.code)
            return _busy("the recording could not be transcribed: try again")
        return await elsewhere(lambda: JSONResponse(Report(results, request, sha256).answer()))


def _seen_by_dialect(request: HttpRequest) -> Request:
    """Return the request without the token in its query: a credential is not a parameter of the call."""
    query = (pair for pair in request.query_params.multi_items() if pair[0] != "token")
    headers = (("content-type", request.headers.get("content-type", "")),)
    return Request(PATH, tuple(query), headers)


def _fault(status: int, code: str, message: str) -> Response:
    """Return an error response in Deepgram's format: https://developers.deepgram.com/docs/errors"""
    retry = {"Retry-After": "2"} if status in (429, 503) else {}
    return JSONResponse({"err_code": code, "err_msg": message}, status, retry)


def _busy(message: str) -> Response:
    return _fault(503, "Service Unavailable", message)
