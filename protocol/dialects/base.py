"""The interfaces of a dialect: a pure object that translates between a bridge's messages and our events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable
from uuid import NAMESPACE_URL, uuid5

from ..bridge_events import BridgeEvent, CodedAudio, DialectError
from ..events import Entry

Message = str | bytes
"""One WebSocket message: text or binary."""


@dataclass(frozen=True, slots=True)
class Request:
    """The request that opened the connection."""

    path: str
    query: tuple[tuple[str, str], ...] = ()
    """Name and value of each parameter, in order; a name may occur more than once."""

    headers: tuple[tuple[str, str], ...] = ()
    """Names in lower case."""

    languages: tuple[str, ...] = ()
    """ISO 639 codes of the languages that the workers can transcribe now; empty while none is known."""

    def first(self, name: str) -> str | None:
        """The first value of a query parameter, or None."""
        return next((value for key, value in self.query if key == name), None)

    @property
    def own_id(self) -> str:
        """
        A UUID of this connection, for dialects that must send an id before the call begins.

        It is derived from the random key of the WebSocket client (RFC 6455, section 4.1), so that no random number
        is needed here.
        """
        key = next((value for name, value in self.headers if name == "sec-websocket-key"), "")
        return str(uuid5(NAMESPACE_URL, f"trunkline:{self.path}:{key}"))


class Dialect(Protocol):
    """
    The message format of one bridge, on one connection.

    Pure, one object for each connection.  It holds the state of the conversation and knows no sockets and no time.
    """

    @property
    def name(self) -> str:
        """The dialect's name in the event log of the call."""
        ...

    def receive(self, message: Message) -> list[BridgeEvent]:
        """
        Translate a message of the bridge into events.

        Raises only DialectError: UnreadableError for a message without a meaning, EarlyError for a message that is
        valid only after the call is opened.  Any other DialectError before that refuses the call.  The state is
        unchanged after an error.
        """
        ...

    def opened(self, call_id: str) -> None:
        """Notify the dialect that the call that `receive` opened has begun under this id."""
        ...

    def notify(self, entry: Entry) -> None:
        """Pass an event of the call; messages for the bridge then appear in `outbox`."""
        ...

    def outbox(self) -> list[Message]:
        """Return the messages to send now, in order, and empty the outbox."""
        ...


@runtime_checkable
class PlainAudio(Protocol):
    """A dialect with a short way for the messages that are nothing but audio in G.711 or 16-bit samples."""

    def audio(self, message: Message) -> Sequence[CodedAudio] | None:
        """
        Return the audio of a message in an open call, as `receive` would, but not decoded.

        None, and nothing has changed, for any other message and where there is a doubt: `receive` takes it.  Never
        raises, and never leaves anything in `outbox`.
        """
        ...


@runtime_checkable
class Resumable(Protocol):
    """A dialect whose bridges can resume a call after a broken connection."""

    def resumed(self, token: str, heard: Sequence[int]) -> None:
        """`token`: what the bridge shows to resume; `heard`: position of each channel, on the call clock."""
        ...


@runtime_checkable
class Continuing(Protocol):
    """A dialect whose messages depend on events of the call before this connection."""

    def continued(self, past: Sequence[Entry], position: int) -> None:
        """`past`: events that are not sent again; `position`: start of the audio, in samples of the call clock."""
        ...


@runtime_checkable
class LateOpening(Protocol):
    """A dialect whose opening message may be absent; until it comes, audio is an EarlyError."""

    def open_late(self) -> list[BridgeEvent]:
        """Open the call without that message.  Raises DialectError when the request itself is invalid."""
        ...


@runtime_checkable
class OpenedByUrl(Protocol):
    """A dialect that answers the URL alone, before the first message of the client."""

    @property
    def objection(self) -> DialectError | None:
        """The reason why the call is refused, which was sent to the client; None if it is not refused."""
        ...


@runtime_checkable
class Parting(Protocol):
    """A dialect with a closing handshake: its bridges answer a refusal and wait for our reply."""

    @property
    def has_parted(self) -> bool:
        """Whether `receive` has got the bridge's answer and `outbox` holds our reply."""
        ...


@runtime_checkable
class ErrorReporting(Protocol):
    """A dialect that can report an error to its bridge in-band."""

    def report_error(self, error: str, reason: str) -> None:
        """Report an error before the connection is closed for good.  `error`: a code; `reason`: a text."""
        ...
