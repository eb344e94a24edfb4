"""One bridge connection: connects a socket to a live call, and translates with a dialect."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Sequence

import structlog
from redis.exceptions import RedisError
from websockets.exceptions import ConnectionClosed

from broker.time_limits import TimeLimit
from protocol.bridge_events import BridgeEvent, CallOpened, DialectError, EncodedAudioReceived
from protocol.clock import CALL_RATE
from protocol.codecs.decoder import RATE as DECODED_RATE
from protocol.dialects.base import Dialect, ErrorReporting, Message, Parting
from protocol.dialects.common import json_fields
from protocol.events import Entry

from ...auth.call_limits import IDLE
from ...call.bad_messages import BadMessages, Tolerance
from ...call_store import GoingAwayError, OverloadedError, SupersededError
from ..calls.joined_call import CallHandle
from .bridge_sender import BridgeSender
from .bridge_socket import Socket  # endpoints import it from here
from .call_opening import CallOpening, NotOpenedError
from .decoding import is_plain, steps
from .direct_audio import receiving_directly

SUPERSEDED = 4103
"""Close code: a newer connection owns the call."""

PROTOCOL_BROKEN = 4400
"""Close code: the bridge sent a message that its dialect does not allow."""

TRY_AGAIN = 1013
"""Close code "Try Again Later" (IANA registry of RFC 6455): the server cannot accept the call now."""

RESTARTING = 1012
"""Close code "Service Restart" (IANA registry of RFC 6455): the bridge should connect again."""

_LATE = "the last texts are late: they are stored when they arrive"

_CLOSING_SECONDS = 1.0
"""Seconds that a refused bridge has to answer the close frame.  A bridge that keeps streaming does not read it."""

logger = structlog.get_logger()

Begin = Callable[[CallOpened, Dialect, Callable[[Entry], None]], Awaitable[CallHandle]]
"""Opens a live call for the opening message.  The given function is called with each entry of the event log."""


class Session:
    """Receives the messages of one bridge and sends its replies, until the call is over."""

    def __init__(
        self,
        socket: Socket,
        dialect: Dialect,
        begin: Begin,
        *,
        first_message: float,
        send_limit: float,
        hold: float,
        resume: float,
        tolerance: Tolerance,
    ) -> None:
        """
        Times in seconds.

        `first_message`: wait for the first message; `send_limit`: one send; `hold`: wait for the last finals after
        the call's end; `resume`: wait for a bridge that may reconnect.
        """
        self._socket = socket
        self._dialect = dialect
        self._begin = begin
        self._sender = BridgeSender(socket, dialect, send_limit)
        self._hold = hold
        self._resume = resume
        self._bad = BadMessages(tolerance)
        self._opening = CallOpening(dialect, tolerance, first_message)
        self._encoded: list[EncodedAudioReceived] = []
        self._rate = CALL_RATE
        self._reason = ""
        self.live_call: CallHandle | None = None

    async def run(self) -> None:
        """Serve the connection until it is closed.  Errors of the bridge end only its own connection."""
        try:
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(self._sender.run())
                await self._serve_call()
                sending.cancel()
            await self._sender.close(1000, self._reason)
        except* DialectError as group:
            await self._refuse(_first(group))
        except* OverloadedError as group:
            await self._sender.close(TRY_AGAIN, str(group.exceptions[0]))
        except* GoingAwayError:
            await self._sender.close(
                RESTARTING, "this gateway restarts: connect again with your token"
            )
        except* SupersededError:
            await self._sender.close(SUPERSEDED, "a newer connection has taken this call")
        except* ConnectionClosed:
            logger.info("bridge_lost")  # the audio received so far has been processed
        except* (RedisError, OSError) as group:
            logger.warning("redis_unavailable", error=type(group.exceptions[0]).__name__)
            await self._sender.close(TRY_AGAIN, "Redis does not answer: try again later")

    async def _serve_call(self) -> None:
        """Open the call, receive until the bridge has finished, then wait for the remaining log entries."""
        try:
            opened = await self._open()
        except NotOpenedError:
            await self._sender.close(IDLE, "no call was started in time")
            return
        if opened is None:
            return
        live_call, said = opened
        self.live_call = live_call
        following = asyncio.create_task(live_call.run())
        receiving = asyncio.create_task(self._feed(live_call, said))
        try:
            await asyncio.wait({following, receiving}, return_when=asyncio.FIRST_COMPLETED)
            await self._after(live_call, following, receiving)
        finally:
            for task in (following, receiving):
                task.cancel()
            await asyncio.gather(following, receiving, return_exceptions=True)

    async def _after(
        self, live_call: CallHandle, following: asyncio.Task[None], receiving: asyncio.Task[None]
    ) -> None:
        """After the bridge has hung up, wait for the last finals; if `following` ended first, raise its error."""
        if receiving.done():
            await self._await_return(live_call, following, receiving)
            live_call.hang_up("hangup")
            try:
                async with TimeLimit(self._hold):
                    await asyncio.shield(following)
            except TimeoutError:
                logger.warning("call_not_settled", unsettled=live_call.unsettled)
                self._reason = _LATE
            receiving.result()  # raises the bridge's error, now that its audio is processed
        else:
            following.result()

    async def _await_return(
        self, live_call: CallHandle, following: asyncio.Task[None], receiving: asyncio.Task[None]
    ) -> None:
        """If the connection broke and the call is resumable, keep the call open for `resume` seconds."""
        broken = isinstance(receiving.exception(), ConnectionClosed)
        if broken and live_call.is_resumable:
            live_call.pause()
            await asyncio.wait({following}, timeout=self._resume)
            if following.done():
                following.result()

    async def leave(self) -> None:
        """The gateway stops: release a resumable call for another gateway, end any other call."""
        if self.live_call is None:
            await self._socket.close(TRY_AGAIN, "this gateway restarts")
        elif self.live_call.is_resumable:
            await self.live_call.leave(GoingAwayError())
        else:
            self.live_call.hang_up("gateway stopped")

    def dismiss(self, code: int, error: str, reason: str) -> None:
        """
        End a call that has exceeded a limit.

        `code`: WebSocket close code; `error`: error code for the dialect, if it can report errors; `reason`: text.
        """
        if self.live_call is not None:
            self.live_call.hang_up(error)
        self._object(error, reason)
        self._sender.dismiss(code, reason)

    async def _open(self) -> tuple[CallHandle, list[BridgeEvent]] | None:
        """
        Read until the call is opened.

        Returns the call and the further events of the opening message; None if the bridge leaves first.
        """
        events = await self._opening.first_events(self._socket, self._sender.wake)
        return (await self._begin_with(events[0]), events[1:]) if events else None

    async def _begin_with(self, event: BridgeEvent) -> CallHandle:
        if not isinstance(event, CallOpened):
            raise DialectError("start a call before any other message")
        self._bad.check([*event.warnings])
        self._sender.wake()
        self._rate = event.rate
        try:
            live_call = await self._begin(event, self._dialect, self._notify)
        except OverloadedError as exc:  # the dialect does not know of the overload yet
            self._object("overloaded", str(exc))
            raise
        except DialectError as exc:
            raise _RefusedError(str(exc)) from exc
        for warning in event.warnings:
            live_call.feed(warning)
        self._sender.wake()
        return live_call

    async def _feed(self, live_call: CallHandle, said: Sequence[BridgeEvent]) -> None:
        """Process the events that came with the opening, then all messages until the call or connection ends."""
        await self._take_in(live_call, said)
        for message in self._opening.held():
            await self._take(live_call, message)
        self._sender.wake()
        if live_call.is_live:
            await self._receive_rest(live_call)

    async def _receive_rest(self, live_call: CallHandle) -> None:
        with receiving_directly(
            self._socket, self._dialect, live_call, self._bad, self._rate
        ) as direct:
            async for message in self._socket:
                direct.is_held_up = True
                await self._take(live_call, message)
                direct.is_held_up = False
                self._sender.collect()
                if not live_call.is_live:
                    return

    async def _take(self, live_call: CallHandle, message: Message) -> None:
        """Process one message.  An invalid message is ignored and counted; DialectError when there are too many."""
        try:
            events = self._dialect.receive(json_fields.control(message))
            if is_plain(events, self._rate):
                for event in events:
                    live_call.feed(event)
                events = []
            else:
                await self._take_in(live_call, events)
        except DialectError as exc:
            live_call.feed(self._bad.ignored(exc))
        else:
            self._bad.understood(events)

    async def _take_in(self, live_call: CallHandle, events: Sequence[BridgeEvent]) -> None:
        """Pass the events of one message to the call, in steps of bounded work."""
        self._encoded = [one for one in events if isinstance(one, EncodedAudioReceived)]
        async for step in steps(events, self._rate):
            for event in step:
                live_call.feed(event)
            if not live_call.is_live:
                return

    @property
    def pending_seconds(self) -> float:
        """Received audio that is not decoded yet, in seconds.  Limits count it as if it were decoded."""
        return sum(one.decoder.pending for one in self._encoded) / DECODED_RATE

    def _notify(self, entry: Entry) -> None:
        self._dialect.notify(entry)
        self._sender.wake()

    def _object(self, error: str, reason: str) -> None:
        """Report the error in the dialect's own format, if it has an error message."""
        if isinstance(self._dialect, ErrorReporting):
            self._dialect.report_error(error, reason)

    async def _refuse(self, fault: DialectError) -> None:
        """Close because of the bridge's error.  Abort the connection if the bridge does not answer the close."""
        self._object("refused" if isinstance(fault, _RefusedError) else "bad_message", str(fault))
        try:
            async with TimeLimit(_CLOSING_SECONDS):
                await self._await_parting()
        except (TimeoutError, ConnectionClosed):
            pass
        try:
            async with TimeLimit(_CLOSING_SECONDS):
                await self._sender.close(PROTOCOL_BROKEN, str(fault))
        except TimeoutError:
            self._socket.transport.abort()

    async def _await_parting(self) -> None:
        """Wait for the bridge's answer to the refusal, if its dialect defines an answer."""
        await self._sender.flush()
        if isinstance(self._dialect, Parting):
            async for message in self._socket:
                with contextlib.suppress(DialectError):
                    self._dialect.receive(json_fields.control(message))
                if self._dialect.has_parted:
                    return


class _RefusedError(DialectError):
    """The call cannot be opened, although the messages are valid."""


def _first(group: ExceptionGroup[DialectError]) -> DialectError:
    fault = group.exceptions[0]
    return _first(fault) if isinstance(fault, ExceptionGroup) else fault


def new_call_id() -> str:
    """Return a random call id, for a bridge that sends none."""
    return f"call-{secrets.token_hex(8)}"
