"""Decides what happens to messages that a dialect cannot decode; the session acts on it.  Pure."""

from dataclasses import dataclass, field

from protocol.bridge_events import BridgeEvent, BridgeWarning, DialectError, WarningCode
from protocol.dialects.base import Message

_MOST_EARLY = 512
_MOST_EARLY_BYTES = 262_144
"""Limits on messages before the opening; more than one second of a bridge's audio in base64."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How a gateway treats messages that it cannot decode."""

    in_a_row: int
    """Number of consecutive invalid messages that ends a call."""

    strict: bool
    """The first invalid message ends the connection: for testing a bridge."""


class BadMessages:
    """Counts the invalid messages of one connection after its call is open."""

    def __init__(self, tolerance: Tolerance) -> None:
        self._tolerance = tolerance
        self._in_a_row = 0

    def understood(self, events: list[BridgeEvent]) -> None:
        """Note a valid message.  Raises DialectError in strict mode if part of it was ignored."""
        self._in_a_row = 0
        self.check([event for event in events if isinstance(event, BridgeWarning)])

    def understood_audio(self) -> None:
        """Note a valid message with nothing but audio."""
        self._in_a_row = 0

    def check(self, warnings: list[BridgeWarning]) -> None:
        """Raise DialectError in strict mode if there is a warning, that is, if anything was ignored."""
        if warnings and self._tolerance.strict:
            raise DialectError(warnings[0].message)

    def ignored(self, fault: DialectError) -> BridgeWarning:
        """Return the warning for an invalid message.  Raises `fault` if the connection must be closed for it."""
        self._in_a_row += 1
        if self._tolerance.strict or self._in_a_row >= self._tolerance.in_a_row:
            raise fault
        return BridgeWarning(WarningCode.BAD_MESSAGE, f"a message was ignored: {fault}")


@dataclass(slots=True)
class EarlyMessages:
    """The messages of a bridge before the one that opens its call, limited in number and size."""

    held: list[Message] = field(default_factory=list)
    """Messages to process once the call is open, in order."""

    fault: DialectError | None = None
    """The error of the first message."""

    is_hurried: bool = False
    """Whether the time limit of the opening message has been shortened."""

    _count: int = 0
    _size: int = 0

    def add(self, message: Message, fault: DialectError, *, hold: bool) -> None:
        """Add a message.  `hold`: keep it to process later.  Raises the first fault if there are too many."""
        self.fault = self.fault or fault
        self._count += 1
        self._size += len(message)
        if self._count > _MOST_EARLY or self._size > _MOST_EARLY_BYTES:
            raise self.fault
        if hold:
            self.held.append(message)
