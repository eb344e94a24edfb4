"""
Recordings over HTTP, in the form of Deepgram's pre-recorded API.

A recording goes through the ring as a call does, only faster: it is queued, transcribed, stored and counted like
any other, so there is one way from audio to words.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from http import HTTPStatus
from itertools import islice

import numpy as np
import soxr
import structlog
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from protocol.audio import Pcm
from protocol.auth.credentials import Permit, Scope
from protocol.auth.http_routes import Route
from protocol.bridge_events import DialectError
from protocol.dialects.base import Message, Request
from protocol.dialects.deepgram.live import Deepgram
from protocol.dialects.deepgram.prerecorded import Report, as_live, recording
from protocol.wav import Samples

from ..audio.resampler import to_pcm
from ..auth.http_middleware import Endpoint, permit_of
from ..session.bridge_socket import Socket
from ..session.decoding import elsewhere
from .uploads import BodyLimits, UploadError, Uploads, read_body

PATH = "/v1/listen"

_LONGEST_BODY = 32 * 1024 * 1024
"""Bytes: half an hour of 16 bit at 8 kHz, more than an hour of mu-law."""

_FASTEST = 20.0
"""Times real time; a quick engine is not kept waiting, and calls beside it are not starved."""

_MOST_SEGMENTS = 8
"""Segments in hand of one recording: a slow engine slows it down, and calls find room between them."""

_NO_ROOM = "no room for another recording; try again"
_RATES = (8_000, 16_000)
_MESSAGES_PER_SECOND = 10

log = structlog.get_logger()


Converse = Callable[[Socket, Deepgram, Permit], Awaitable[None]]
"""Has a call with a bridge, until it is over."""


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
        `pace`: times real time, 0 for as fast as is good.  `patience`: seconds for a slow engine to go on.

        `longest`: seconds of audio that one recording may hold.
        """
        self._converse = converse
        self._has_room = has_room
        self._pace = min(pace or _FASTEST, _FASTEST)
        self._patience = patience
        self._longest = longest
        self._uploads = uploads

    @property
    def endpoint(self) -> Endpoint:
        """Where it is to be served."""
        return Endpoint(Route(PATH, Scope.INGEST, frozenset({"POST"})), self.answer)

    async def answer(self, request: HttpRequest) -> Response:
        """200 with the transcript, 400 with what is wrong, 429 or 503 when it is to be tried again."""
        permit = permit_of(request)
        try:
            with self._uploads.upload(permit.tenant) as grow:
                if not self._has_room(permit):
                    return _busy(_NO_ROOM)
                body = await read_body(
                    request, BodyLimits(_LONGEST_BODY, self._uploads.slowest), grow
                )
                with self._uploads.work.held(permit.tenant):
                    if not self._has_room(permit):
                        return _busy(_NO_ROOM)
                    return await self._transcribe(_seen_by_dialect(request), body, permit)
        except DialectError as exc:
            return _fault(400, "Bad Request", str(exc))
        except UploadError as exc:
            log.info("upload_refused", status=exc.status, reason=exc.reason)
            return _fault(exc.status, HTTPStatus(exc.status).phrase, str(exc))

    async def _transcribe(self, request: Request, body: bytes, permit: Permit) -> Response:
        heard = await elsewhere(partial(recording, request, body))
        if heard.seconds > self._longest:
            raise DialectError(
                f"a recording may last {self._longest:g} s, and this one lasts {heard.seconds:.0f} s"
            )
        rate = heard.rate if heard.rate in _RATES else _RATES[-1]
        sha256 = await elsewhere(lambda: hashlib.sha256(body).hexdigest())
        report = Report(request, sha256)
        played = RecordingSocket(messages(heard, rate), report, self._pace, self._patience)
        await self._converse(
            played, Deepgram(as_live(request, rate, heard.channels), recorded=True), permit
        )
        if report.fault is not None:
            return _fault(400, "Bad Request", report.fault)
        if not report.complete:
            log.warning("recording_not_transcribed", code=played.code)
            return _busy("the recording could not be transcribed now; try again")
        return await elsewhere(lambda: JSONResponse(report.answer()))


class RecordingSocket:
    """A recording that poses as a bridge's connection, and takes down what comes back."""

    def __init__(
        self, said: Iterator[Message], report: Report, pace: float, patience: float
    ) -> None:
        self.transport = asyncio.Transport()  # for cutting off who does not read: it always reads
        self.code: int | None = None
        self._report = report
        self._pace = pace
        self._patience = patience
        self._news = asyncio.Event()
        self._playing = self._play(said)

    def __aiter__(self) -> AsyncIterator[Message]:
        """Goes on where it stands: a session reads in two places."""
        return self._playing

    async def send(self, message: Message) -> None:
        """What the live API says."""
        self._report.apply(message)
        self._news.set()

    async def close(self, code: int, reason: str) -> None:
        """The call is over."""
        self.code = code

    async def _play(self, said: Iterator[Message]) -> AsyncIterator[Message]:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while some := await elsewhere(lambda: list(islice(said, _MESSAGES_PER_SECOND))):
            for message in some:
                await self._let_the_engine_catch_up()
                due = max(due + 1 / (_MESSAGES_PER_SECOND * self._pace), loop.time() - 1)
                await asyncio.sleep(due - loop.time())
                yield message

    async def _let_the_engine_catch_up(self) -> None:
        """It is waited for so long as it gets on: one that does not is the session's business."""
        while self._report.in_hand > _MOST_SEGMENTS:
            self._news.clear()
            try:
                async with asyncio.timeout(self._patience):
                    await self._news.wait()
            except TimeoutError:
                return


def _seen_by_dialect(request: HttpRequest) -> Request:
    """Without the token that let it in: that is no part of what it says of its call."""
    query = (pair for pair in request.query_params.multi_items() if pair[0] != "token")
    headers = (("content-type", request.headers.get("content-type", "")),)
    return Request(PATH, tuple(query), headers)


def messages(heard: Samples, rate: int) -> Iterator[Message]:
    """
    A recording as a client of the live API sends it, at `rate` Hz: decoded and resampled piece by piece.

    Holds one piece at a time, however long the recording is.
    """
    step = -(-heard.rate // _MESSAGES_PER_SECOND)
    pieces = heard.pieces(step)
    for pcm in pieces if rate == heard.rate else _resampled(pieces, heard, rate):
        if len(pcm):
            yield pcm.astype("<i2").tobytes()
    yield '{"type":"CloseStream"}'


def _resampled(pieces: Iterator[Pcm], heard: Samples, rate: int) -> Iterator[Pcm]:
    stream = soxr.ResampleStream(heard.rate, rate, heard.channels, dtype="float32", quality=soxr.HQ)
    for pcm in pieces:
        yield to_pcm(stream.resample_chunk(pcm.astype(np.float32)))
    nothing = np.zeros((0, heard.channels), dtype=np.float32)
    yield to_pcm(stream.resample_chunk(nothing, last=True))


def _fault(status: int, code: str, message: str) -> Response:
    """In Deepgram's form: https://developers.deepgram.com/docs/errors"""
    retry = {"Retry-After": "2"} if status in (429, 503) else {}
    return JSONResponse({"err_code": code, "err_msg": message}, status, retry)


def _busy(message: str) -> Response:
    return _fault(503, "Service Unavailable", message)
