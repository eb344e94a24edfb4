"""A stream of a joined call that another process of the group has: it is passed on to that process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import assert_never

from broker.time_limits import TimeLimit
from protocol.bridge_events import (
    AudioReceived,
    AudioSkipped,
    BridgeWarning,
    CallClosed,
    CallOpened,
    CodedAudio,
    DecodedEvent,
    DialectError,
    DtmfReceived,
    FinalizeRequested,
    KeywordsChanged,
    LanguageChanged,
    MarkReceived,
)

from ...call_store import GoingAwayError, OverloadedError, SupersededError
from .stream_link import (
    LENGTH,
    HangUp,
    Heard,
    Left,
    LinkMessage,
    Opened,
    OpenStream,
    Paused,
    Refused,
    decoded,
    encoded,
)

_CONNECT_SECONDS = 15.0
"""Time for which a stream waits for a process that restarts."""

_RETRY_SECONDS = 0.1

_MOST_WAITING = 4_194_304
"""Most bytes that wait for the other process, minutes of audio: beyond that it hangs, and the stream is closed."""

_LONGEST = 16_777_216
"""Most bytes of a message: a bridge's message may be decoded to several times its size."""

_RESTARTS = "the gateway process of this call restarts: try again"


async def messages(reader: asyncio.StreamReader) -> AsyncIterator[LinkMessage]:
    """Yield the messages of a link until it is closed.  Raises OSError if it breaks."""
    try:
        while True:
            (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
            if length > _LONGEST:
                raise OSError("a message of another process is too long")
            yield decoded(await reader.readexactly(length))
    except asyncio.IncompleteReadError:
        return


class ForwardedStream:
    """The stream's access to its call.  A session uses it like a `LiveCall`."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, channels: int
    ) -> None:
        """Use `open_stream`.  `channels`: number of channels of the stream."""
        self._incoming = messages(reader)
        self._writer = writer
        self._channels = channels
        self._is_gone = False
        self._ended: asyncio.Future[Left] = asyncio.get_running_loop().create_future()
        self._listening: asyncio.Task[None] | None = None
        self.began = 0
        """Position of the call when the stream was attached, on the call clock."""

        self.heard = 0
        """End of the audio that the call has received, on the call clock; told once a second."""

    async def open(self, request: OpenStream) -> None:
        """Attach the stream to its call.  Raises DialectError, OverloadedError or GoingAwayError."""
        self._send(request)
        said = await anext(self._incoming, None)
        match said:
            case Opened(heard):
                self.began = self.heard = heard
                self._listening = asyncio.create_task(self._listen())
            case Refused(reason, again):
                raise OverloadedError(reason) if again else DialectError(reason)
            case _:
                raise GoingAwayError

    @property
    def unsettled(self) -> int:
        """Number of segments without terminal event; the other process knows them."""
        return 0

    @property
    def is_live(self) -> bool:
        """Whether the call still accepts audio from this stream."""
        return not (self._is_gone or self._ended.done())

    @property
    def is_resumable(self) -> bool:
        """Always false: a stream that reconnects is a new stream for the same channel."""
        return False

    def feed(self, event: DecodedEvent) -> None:
        """Take an event of the bridge.  Raises DialectError if the event is not allowed now."""
        match event:
            case _ if not self.is_live:
                return
            case AudioReceived(channel) | DtmfReceived(channel) | FinalizeRequested(int(channel)):
                self._check(channel)
                self._send(event)
            case FinalizeRequested() | KeywordsChanged() | LanguageChanged():
                self._send(event)
            case MarkReceived() | BridgeWarning():
                self._send(event)
            case AudioSkipped():
                pass  # as in `StreamHandle`
            case CallOpened():
                raise DialectError("this call has been started already")
            case CallClosed():
                self.hang_up("completed")
            case _:
                assert_never(event)

    def hear(self, audio: Sequence[CodedAudio]) -> None:
        """Take the audio of one message as `feed` does."""
        for one in audio:
            self.feed(one.received)

    def hang_up(self, reason: str) -> None:
        """End this stream.  The call ends with its last stream."""
        if self.is_live:
            self._is_gone = True
            self._send(HangUp(reason))

    def pause(self) -> None:
        """No audio arrives for now: close the open segments of this stream."""
        if self.is_live:
            self._send(Paused())

    async def leave(self, _why: SupersededError) -> None:
        """End this stream because the gateway stops."""
        self.hang_up("gateway stopped")

    async def run(self) -> None:
        """Wait until the call is over, or continues without this stream."""
        left = await asyncio.shield(self._ended)
        if left.superseded:
            raise SupersededError

    def close(self) -> None:
        """Release the stream: its session is over."""
        if self._listening is not None:
            self._listening.cancel()
        if self._ended.done() and not self._ended.cancelled():
            self._ended.exception()
        self._writer.close()

    async def _listen(self) -> None:
        """Take what the other process says, until it leaves."""
        try:
            async for message in self._incoming:
                match message:
                    case Heard(heard):
                        self.heard = heard
                    case Left():
                        self._ended.set_result(message)
                        return
                    case _:
                        break
        except OSError:
            pass
        self._ended.set_exception(GoingAwayError())

    def _check(self, channel: int) -> None:
        if not 0 <= channel < self._channels:
            raise DialectError(f"channel {channel} does not exist: {self._channels} were declared")

    def _send(self, message: LinkMessage) -> None:
        if self._writer.transport.get_write_buffer_size() > _MOST_WAITING:
            self._writer.transport.abort()
        self._writer.write(encoded(message))


async def open_stream(
    socket: Path, call_id: str, dialect: str, opened: CallOpened
) -> ForwardedStream:
    """
    Attach a stream to the call with a filed id, at the process that listens on `socket`.

    Waits for a process that restarts.  Raises DialectError if the bridge may not have the stream, OverloadedError
    if there is no room, GoingAwayError if the other process ends meanwhile.
    """
    stream = ForwardedStream(*await _connected(socket), len(opened.roles))
    try:
        await stream.open(OpenStream(call_id, dialect, opened))
    except OSError as exc:
        stream.close()
        raise GoingAwayError from exc
    except BaseException:
        stream.close()
        raise
    return stream


async def _connected(socket: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with TimeLimit(_CONNECT_SECONDS):
            while True:
                try:
                    return await asyncio.open_unix_connection(str(socket))
                except OSError:
                    await asyncio.sleep(_RETRY_SECONDS)
    except TimeoutError:
        raise OverloadedError(_RESTARTS) from None
