"""A recording with the interface of a bridge's connection: it is played like a call, only faster."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TypeVar

from broker.time_limits import TimeLimit
from protocol.auth.credentials import Permit
from protocol.bridge_events import DialectError
from protocol.codecs.wav import Samples
from protocol.dialects.base import Dialect, Message, Request
from protocol.dialects.deepgram.live_results import LiveResults
from protocol.dialects.deepgram.prerecorded import recording

from ..audio.files.container import ContainerError, ContainerStream
from ..session.bridge.bridge_socket import Socket
from ..session.bridge.decoding import elsewhere
from .recording_messages import MESSAGES_PER_SECOND

FASTEST = 20.0
"""Most times real time: enough for a fast engine, and calls in progress still get their share."""

_MOST_SEGMENTS = 8
"""Most unsettled segments of one recording: a slow engine slows it down, and calls are processed in between."""

_MOST_AT_ONCE = 2.0
"""Seconds of audio that are sent at once after a delay; a limit on the speed of calls must permit so much."""

_FILES = ThreadPoolExecutor(4, thread_name_prefix="files")
"""Threads that wait for the child processes which decode files; calls never wait for them."""

_Result = TypeVar("_Result")

Converse = Callable[[Socket, Dialect, Permit], Awaitable[None]]
"""Runs a call with a bridge until it is over."""


async def file_thread(work: Callable[[], _Result]) -> _Result:
    """Run `work`, which waits for the decoding of a file, in a thread.  Returns its result."""
    return await asyncio.get_running_loop().run_in_executor(_FILES, work)


async def opened(request: Request, body: bytes, longest: float) -> Samples | ContainerStream:
    """
    Return the audio of a request in Deepgram's form; a stream of a container must be closed.

    `longest`: most seconds.  Raises DialectError.
    """
    try:
        heard = await elsewhere(partial(recording, request, body))
    except DialectError as exc:
        return await _opened_container(request, body, exc)
    if heard.seconds > longest:
        raise DialectError(
            f"a recording may last at most {longest:g} s, this one lasts {heard.seconds:.0f} s"
        )
    return heard


async def _opened_container(
    request: Request, body: bytes, refused: DialectError
) -> ContainerStream:
    """Open a file of another format, such as mp3.  Raises `refused` if it is none."""
    if request.first("encoding") or request.first("url") or not body:
        raise refused
    try:
        return await file_thread(partial(ContainerStream, body))
    except ContainerError as exc:
        raise DialectError(f"{refused}; of other formats: {exc}") from exc


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
        due, size = loop.time(), 1  # the first message opens the call, on which the others depend
        late = _MOST_AT_ONCE / self._pace
        while some := await self._read(partial(_next, said, size)):
            size = MESSAGES_PER_SECOND
            for message in some:
                await self._let_the_engine_catch_up()
                due = max(due + 1 / (MESSAGES_PER_SECOND * self._pace), loop.time() - late)
                await asyncio.sleep(due - loop.time())
                yield message

    async def _let_the_engine_catch_up(self) -> None:
        """Wait while the engine makes progress.  If it makes none, continue: the session's time limits apply."""
        while self._results.unfinished > _MOST_SEGMENTS:
            self._news.clear()
            try:
                async with TimeLimit(self._patience):
                    await self._news.wait()
            except TimeoutError:
                return


def _next(said: Iterator[Message], size: int) -> list[Message]:
    return list(islice(said, size))
