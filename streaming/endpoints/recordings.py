"""
Transcription of recordings over HTTP, in the form of Deepgram's pre-recorded API.

A recording goes through the same pipeline as a call, only faster: it is queued, transcribed, stored and counted in
the same way.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import TypeVar

import numpy as np
import soxr
import structlog
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from broker.http.middleware import Endpoint, permit_of
from broker.http.uploads import BodyLimits, UploadError, Uploads, read_body
from protocol.audio import Pcm
from protocol.auth.credentials import Permit, Scope
from protocol.auth.http_routes import Route
from protocol.bridge_events import DialectError
from protocol.codecs.wav import Samples
from protocol.dialects.base import Message, Request
from protocol.dialects.deepgram.live import Deepgram
from protocol.dialects.deepgram.live_results import LiveResults
from protocol.dialects.deepgram.prerecorded import Report, as_live, recording

from ..audio.files.container import ContainerError, ContainerStream
from ..audio.resampler import to_pcm
from ..session.bridge.bridge_socket import Socket
from ..session.bridge.decoding import elsewhere

PATH = "/v1/listen"

_LONGEST_BODY = 32 * 1024 * 1024
"""Limit in bytes: half an hour of 16 bit at 8 kHz, more than an hour of mu-law."""

FASTEST = 20.0
"""Most times real time: enough for a fast engine, and calls in progress still get their share."""

_MOST_SEGMENTS = 8
"""Most unsettled segments of one recording: a slow engine slows it down, and calls are processed in between."""

NO_ROOM = "all recording slots are in use: try again later"
_RATES = (8_000, 16_000)
_MESSAGES_PER_SECOND = 10

_FILES = ThreadPoolExecutor(4, thread_name_prefix="files")
"""Threads that wait for the child processes which decode files; calls never wait for them."""

_Result = TypeVar("_Result")

logger = structlog.get_logger()


async def file_thread(work: Callable[[], _Result]) -> _Result:
    """Run `work`, which waits for the decoding of a file, in a thread.  Returns its result."""
    return await asyncio.get_running_loop().run_in_executor(_FILES, work)


Converse = Callable[[Socket, Deepgram, Permit], Awaitable[None]]
"""Runs a call with a bridge until it is over."""


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
    ) -> None:
        """
        `pace`: speed relative to real time, 0 for the maximum; `patience`: seconds to wait for a slow engine.

        `longest`: most seconds of audio in one recording.
        """
        self._converse = converse
        self._has_room = has_room
        self._pace = min(pace or FASTEST, FASTEST)
        self._patience = patience
        self._longest = longest
        self._uploads = uploads

    @property
    def endpoint(self) -> Endpoint:
        """The route and the handler."""
        return Endpoint(Route(PATH, Scope.INGEST, frozenset({"POST"})), self.answer)

    async def answer(self, request: HttpRequest) -> Response:
        """Return 200 with the transcript, 400 with the error, 429 or 503 if the client should try again."""
        permit = permit_of(request)
        try:
            with self._uploads.upload(permit.tenant) as grow:
                if not self._has_room(permit):
                    return _busy(NO_ROOM)
                body = await read_body(
                    request, BodyLimits(_LONGEST_BODY, self._uploads.slowest), grow
                )
                with self._uploads.work.held(permit.tenant):
                    if not self._has_room(permit):
                        return _busy(NO_ROOM)
                    return await self._transcribe(_seen_by_dialect(request), body, permit)
        except DialectError as exc:
            return _fault(400, "Bad Request", str(exc))
        except UploadError as exc:
            logger.info("upload_refused", status=exc.status, reason=exc.reason)
            return _fault(exc.status, HTTPStatus(exc.status).phrase, str(exc))

    async def _transcribe(self, request: Request, body: bytes, permit: Permit) -> Response:
        try:
            heard = await elsewhere(partial(recording, request, body))
        except DialectError as exc:
            return await self._transcribe_container(request, body, permit, exc)
        if heard.seconds > self._longest:
            raise DialectError(
                f"a recording may last at most {self._longest:g} s, this one lasts {heard.seconds:.0f} s"
            )
        return await self._play(request, body, permit, heard)

    async def _transcribe_container(
        self, request: Request, body: bytes, permit: Permit, refused: DialectError
    ) -> Response:
        """Transcribe a file of another format, such as mp3.  Raises `refused` if it is none."""
        if request.first("encoding") or request.first("url") or not body:
            raise refused
        try:
            heard = await file_thread(partial(ContainerStream, body))
        except ContainerError as exc:
            raise DialectError(f"{refused}; of other formats: {exc}") from exc
        with heard:
            answer = await self._play(request, body, permit, heard)
            return answer if heard.fault is None else _fault(400, "Bad Request", heard.fault)

    async def _play(
        self, request: Request, body: bytes, permit: Permit, heard: Samples | ContainerStream
    ) -> Response:
        rate = heard.rate if heard.rate in _RATES else _RATES[-1]
        sha256 = await elsewhere(lambda: hashlib.sha256(body).hexdigest())
        results = LiveResults()
        read = elsewhere if isinstance(heard, Samples) else file_thread
        played = RecordingSocket(messages(heard, rate), results, self._pace, self._patience, read)
        await self._converse(
            played, Deepgram(as_live(request, rate, heard.channels), recorded=True), permit
        )
        if results.fault is not None:
            return _fault(400, "Bad Request", results.fault)
        if not results.complete:
            logger.warning("recording_not_transcribed", code=played.code)
            return _busy("the recording could not be transcribed: try again")
        return await elsewhere(lambda: JSONResponse(Report(results, request, sha256).answer()))


class RecordingSocket:
    """A recording with the interface of a bridge's connection (`Socket`); collects the responses in its results."""

    def __init__(
        self,
        said: Iterator[Message],
        results: LiveResults,
        pace: float,
        patience: float,
        read: "Callable[[Callable[[], list[Message]]], Awaitable[list[Message]]]" = elsewhere,
    ) -> None:
        """`read` runs the reading of `said`, which blocks, in a thread."""
        self._read = read
        self.transport = asyncio.Transport()  # aborted if the peer does not read; a recording does
        self.code: int | None = None
        self._results = results
        self._pace = pace
        self._patience = patience
        self._news = asyncio.Event()
        self._playing = self._play(said)

    def __aiter__(self) -> AsyncIterator[Message]:
        """Continue at the current message: a session iterates in two places."""
        return self._playing

    async def send(self, message: Message) -> None:
        """Take a message of the live API."""
        self._results.apply(message)
        self._news.set()

    async def close(self, code: int, reason: str) -> None:
        """Note the close code: the call is over."""
        self.code = code

    async def _play(self, said: Iterator[Message]) -> AsyncIterator[Message]:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while some := await self._read(lambda: list(islice(said, _MESSAGES_PER_SECOND))):
            for message in some:
                await self._let_the_engine_catch_up()
                due = max(due + 1 / (_MESSAGES_PER_SECOND * self._pace), loop.time() - 1)
                await asyncio.sleep(due - loop.time())
                yield message

    async def _let_the_engine_catch_up(self) -> None:
        """Wait while the engine makes progress.  If it makes none, continue: the session's time limits apply."""
        while self._results.unfinished > _MOST_SEGMENTS:
            self._news.clear()
            try:
                async with asyncio.timeout(self._patience):
                    await self._news.wait()
            except TimeoutError:
                return


def _seen_by_dialect(request: HttpRequest) -> Request:
    """Return the request without the token in its query: a credential is not a parameter of the call."""
    query = (pair for pair in request.query_params.multi_items() if pair[0] != "token")
    headers = (("content-type", request.headers.get("content-type", "")),)
    return Request(PATH, tuple(query), headers)


def messages(heard: Samples | ContainerStream, rate: int) -> Iterator[Message]:
    """
    Yield the messages of a live API client for a recording, decoded and resampled to `rate` Hz in pieces.

    Holds one piece at a time, however long the recording is.
    """
    step = -(-heard.rate // _MESSAGES_PER_SECOND)
    pieces = heard.pieces(step)
    for pcm in pieces if rate == heard.rate else _resampled(pieces, heard, rate):
        if len(pcm):
            yield pcm.astype("<i2").tobytes()
    yield '{"type":"CloseStream"}'


def _resampled(pieces: Iterator[Pcm], heard: Samples | ContainerStream, rate: int) -> Iterator[Pcm]:
    stream = soxr.ResampleStream(heard.rate, rate, heard.channels, dtype="float32", quality=soxr.HQ)
    for pcm in pieces:
        yield to_pcm(stream.resample_chunk(pcm.astype(np.float32)))
    nothing = np.zeros((0, heard.channels), dtype=np.float32)
    yield to_pcm(stream.resample_chunk(nothing, last=True))


def _fault(status: int, code: str, message: str) -> Response:
    """Return an error response in Deepgram's format: https://developers.deepgram.com/docs/errors"""
    retry = {"Retry-After": "2"} if status in (429, 503) else {}
    return JSONResponse({"err_code": code, "err_msg": message}, status, retry)


def _busy(message: str) -> Response:
    return _fault(503, "Service Unavailable", message)
