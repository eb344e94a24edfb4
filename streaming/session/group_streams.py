"""
Streams of joined calls in a group of processes.

The streams of a joined call may reach different processes.  The call id decides which process has the call, so that
no two can open it.  The others pass their streams on to it.
"""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from redis.exceptions import RedisError

from broker.process_group.place import GroupPlace
from broker.time_limits import TimeLimit
from protocol.bridge_events import BridgeEvent, CallOpened, DialectError
from protocol.dialects.base import Dialect, Message
from protocol.events import Entry
from protocol.tenants import bare

from ..call_store import OverloadedError, SupersededError
from ..metrics import GatewayMeter
from .bridge.open_sessions import OpenSessions
from .call_registry import CallRegistry
from .calls.forwarded_stream import ForwardedStream, messages, open_stream
from .calls.joined_call import CallHandle, StreamHandle
from .calls.live_call import LiveCall
from .calls.stream_link import (
    HangUp,
    Heard,
    Left,
    LinkMessage,
    Opened,
    OpenStream,
    Paused,
    Refused,
    encoded,
)

_HEARD_SECONDS = 1.0
"""Interval at which the other process is told how much the call has heard: its limits need it."""

_Attached = LiveCall | StreamHandle

logger = structlog.get_logger()


def home_of(call_id: str, processes: int) -> int:
    """Return the number of the process that has the joined call with this filed id."""
    return zlib.crc32(call_id.encode()) % processes


class GroupStreams:
    """Opens calls in this process, or streams in that which has their call; takes streams from the others."""

    def __init__(
        self,
        calls: CallRegistry,
        sessions: OpenSessions,
        group: GroupPlace | None,
        hold: float,
        meter: GatewayMeter,
    ) -> None:
        """`group`: None if there are no other processes; `hold`: seconds to wait for the last finals of a call."""
        self._calls = calls
        self._sessions = sessions
        self._group = group
        self._hold = hold
        self._meter = meter

    async def open(
        self,
        opened: CallOpened,
        call_id: str,
        dialect: Dialect,
        notify: Callable[[Entry], None],
        *,
        admitted: bool,
    ) -> CallHandle:
        """Open a call or stream: see `CallRegistry.open`.  `call_id`: filed."""
        group = self._group
        home = home_of(call_id, group.count) if group and opened.joins else None
        if group is None or home in (None, group.number):
            return await self._calls.open(opened, call_id, dialect, notify, admitted=admitted)
        assert home is not None
        stream = await open_stream(group.calls_of(home), call_id, dialect.name, opened)
        self._meter.forwarded()
        dialect.opened(bare(call_id))
        return stream

    def close(self, part: CallHandle) -> None:
        """Release a call or stream whose session is over."""
        if isinstance(part, ForwardedStream):
            part.close()
        else:
            self._calls.close(part)

    @asynccontextmanager
    async def taking(self) -> AsyncIterator[None]:
        """Take streams from other processes while the context is active."""
        if self._group is None:
            yield
            return
        socket = self._group.calls_of(self._group.number)
        server = await asyncio.start_unix_server(self._serve, str(socket))
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one stream that another process has."""
        with contextlib.suppress(OSError):
            try:
                incoming = messages(reader)
                if isinstance(request := await anext(incoming, None), OpenStream):
                    answer = await self._attached(request)
                    if isinstance(answer, Refused):
                        writer.write(encoded(answer))
                    else:
                        await self._run(answer, incoming, writer)
                    await writer.drain()
            finally:
                writer.close()

    async def _attached(self, request: OpenStream) -> _Attached | Refused:
        try:
            return await self._calls.open(
                request.opened, request.call_id, _DialectOfStream(request.dialect), lambda _: None
            )
        except OverloadedError as exc:
            return Refused(str(exc), again=True)
        except DialectError as exc:
            return Refused(str(exc))
        except (RedisError, OSError) as exc:
            logger.warning("redis_unavailable", error=type(exc).__name__)
            return Refused("Redis does not answer: try again later", again=True)

    async def _run(
        self, stream: _Attached, incoming: AsyncIterator[LinkMessage], writer: asyncio.StreamWriter
    ) -> None:
        """Feed the call with the stream until one of them ends."""
        writer.write(encoded(Opened(stream.heard)))
        guest = _Guest(stream)
        running = asyncio.create_task(stream.run())
        tasks = [
            asyncio.create_task(guest.receive(incoming)),
            asyncio.create_task(_tell(stream, writer)),
        ]
        try:
            with self._sessions.inside(guest):
                await asyncio.wait({running, tasks[0]}, return_when=asyncio.FIRST_COMPLETED)
                if not running.done():  # the other process has left
                    stream.hang_up("hangup")
                    with contextlib.suppress(TimeoutError, SupersededError):
                        async with TimeLimit(self._hold):
                            await asyncio.shield(running)
                if running.done() and not running.cancelled():
                    writer.write(encoded(_left(running)))
        finally:
            for task in (running, *tasks):
                task.cancel()
            await asyncio.gather(running, *tasks, return_exceptions=True)
            self._calls.close(stream)


class _Guest:
    """A stream whose bridge is connected to another process."""

    def __init__(self, stream: _Attached) -> None:
        self._stream = stream

    async def leave(self) -> None:
        """End the stream: this gateway stops."""
        self._stream.hang_up("gateway stopped")

    async def receive(self, incoming: AsyncIterator[LinkMessage]) -> None:
        """Feed the call until the other process closes the link."""
        with contextlib.suppress(OSError):
            async for message in incoming:
                match message:
                    case HangUp(reason):
                        self._stream.hang_up(reason)
                    case Paused():
                        self._stream.pause()
                    case OpenStream() | Opened() | Heard() | Refused() | Left():
                        return
                    case _:
                        self._stream.feed(message)


class _DialectOfStream:
    """The dialect of a stream in another process: it opens the call under its name, and gets no messages here."""

    def __init__(self, name: str) -> None:
        self.name = name

    def opened(self, call_id: str) -> None:
        """The other process tells its bridge."""

    def receive(self, message: Message) -> list[BridgeEvent]:
        """Messages reach the other process."""
        del message
        return []

    def notify(self, entry: Entry) -> None:
        """A stream of a joined call gets no events."""

    def outbox(self) -> list[Message]:
        """Nothing is sent from here."""
        return []


def _left(running: "asyncio.Task[None]") -> Left:
    """Return why the stream is no longer part of its call."""
    return Left(superseded=isinstance(running.exception(), SupersededError))


async def _tell(stream: _Attached, writer: asyncio.StreamWriter) -> None:
    """Tell the other process how much the call has heard, until cancelled."""
    told = stream.heard
    while True:
        await asyncio.sleep(_HEARD_SECONDS)
        if stream.heard != told:
            told = stream.heard
            writer.write(encoded(Heard(told)))
