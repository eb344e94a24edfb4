"""What a dialect is: a pure object between a bridge's messages and our events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable
from uuid import NAMESPACE_URL, uuid5

from ..bridge_events import BridgeEvent, DialectError
from ..events import Entry

Message = str | bytes
"""One WebSocket message: text or binary."""


@dataclass(frozen=True, slots=True)
class Request:
    """The request that opened the connection."""

    path: str
    query: tuple[tuple[str, str], ...] = ()
    """Pairs in their order; a name may come more than once."""

    headers: tuple[tuple[str, str], ...] = ()
    """Names in lower case."""

    languages: tuple[str, ...] = ()
    """ISO 639 codes of what the workers can write down now; empty while none is known."""

    def first(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), None)

    @property
    def own_id(self) -> str:
        """
        A UUID that belongs to this connection alone, for dialects that must name it before the call begins.

        Made of the key that every WebSocket client draws by lot (RFC 6455, 4.1), so that nothing is drawn here.
        """
        key = next((value for name, value in self.headers if name == "sec-websocket-key"), "")
        return str(uuid5(NAMESPACE_URL, f"trunkline:{self.path}:{key}"))


class Dialect(Protocol):
    """
    One connection's worth of a bridge's language.

    Pure and short-lived: it knows where its conversation stands, and nothing of sockets or time.
    """

    @property
    def name(self) -> str:
        """Stands in the call's log."""
        ...

    def receive(self, message: Message) -> list[BridgeEvent]:
        """
        What the bridge means.  DialectError, and nothing else, for whatever it may not say.

        UnreadableError for what means nothing, EarlyError for what means something only once the call is opened;
        any other DialectError before that refuses the call.  Nothing has changed when one was raised.
        """
        ...

    def opened(self, call_id: str) -> None:
        """The call that `receive` opened has begun under this id."""
        ...

    def notify(self, entry: Entry) -> None:
        """Something happened in the call; what the bridge is to know of it comes out of `outbox`."""
        ...

    def outbox(self) -> list[Message]:
        """What is to be sent now, in order; asking empties it."""
        ...


@runtime_checkable
class Resumable(Protocol):
    """A dialect whose bridges can come back after a broken connection."""

    def resumed(self, token: str, heard: Sequence[int]) -> None:
        """What the bridge must show to come back, and where each channel stands, on the call clock."""
        ...


@runtime_checkable
class Continuing(Protocol):
    """A dialect whose words depend on what was in the call before its connection."""

    def continued(self, past: Sequence[Entry], position: int) -> None:
        """`past` stands in the log already and is not to be told; audio begins at `position`, on the call clock."""
        ...


@runtime_checkable
class LateOpening(Protocol):
    """A dialect whose opening message may not come at all: until it does, audio is an EarlyError."""

    def open_late(self) -> list[BridgeEvent]:
        """Open the call without that message.  DialectError when what is known already cannot be taken."""
        ...


@runtime_checkable
class OpenedByUrl(Protocol):
    """A dialect that answers the URL alone, before the client has said anything."""

    @property
    def objection(self) -> DialectError | None:
        """Why the call is refused, which the client has been told; None when it is not."""
        ...


@runtime_checkable
class Parting(Protocol):
    """A dialect whose bridges answer a refusal, and wait for an answer to that."""

    @property
    def has_parted(self) -> bool:
        """Whether `receive` has seen the bridge's answer, and `outbox` has ours."""
        ...


@runtime_checkable
class ErrorReporting(Protocol):
    """A dialect that has words for a limit of ours that its bridge has broken."""

    def report_error(self, error: str, reason: str) -> None:
        """`error` is for programs, `reason` for people.  The connection is closed behind it, for good."""
        ...
