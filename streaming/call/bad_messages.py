"""What becomes of messages that a dialect cannot understand: decided here, done by the session.  Pure."""

from dataclasses import dataclass, field

from protocol.bridge_events import BridgeEvent, BridgeWarning, DialectError, WarningCode
from protocol.dialects.base import Message

_MOST_EARLY = 512
_MOST_EARLY_BYTES = 262_144
"""More than one second of what a bridge may send, in base64."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How a gateway treats what it cannot understand."""

    in_a_row: int
    """So many messages, without one between them that is understood, end a call."""

    strict: bool
    """The first one ends the connection: for those who test their bridge."""


class BadMessages:
    """The bad messages of one connection behind the opening of its call."""

    def __init__(self, tolerance: Tolerance) -> None:
        self._tolerance = tolerance
        self._in_a_row = 0

    def understood(self, events: list[BridgeEvent]) -> None:
        """A message had a meaning.  DialectError in strict mode, when part of it was ignored."""
        self._in_a_row = 0
        self.check([event for event in events if isinstance(event, BridgeWarning)])

    def check(self, warnings: list[BridgeWarning]) -> None:
        """DialectError in strict mode, when anything was ignored."""
        if warnings and self._tolerance.strict:
            raise DialectError(warnings[0].message)

    def ignored(self, fault: DialectError) -> BridgeWarning:
        """The warning for a bad message.  Raises `fault` when the connection is to be closed for it."""
        self._in_a_row += 1
        if self._tolerance.strict or self._in_a_row >= self._tolerance.in_a_row:
            raise fault
        return BridgeWarning(WarningCode.BAD_MESSAGE, f"a message was ignored: {fault}")


@dataclass(slots=True)
class EarlyMessages:
    """What a bridge says before the message that opens its call, bounded."""

    held: list[Message] = field(default_factory=list)
    """What may be understood once the call is opened, in order."""

    fault: DialectError | None = None
    """What was wrong with the first of all."""

    is_hurried: bool = False
    """Whether the opening message is being waited for."""

    _count: int = 0
    _size: int = 0

    def add(self, message: Message, fault: DialectError, *, hold: bool) -> None:
        """Take note of a message; raises the first fault when there are too many."""
        self.fault = self.fault or fault
        self._count += 1
        self._size += len(message)
        if self._count > _MOST_EARLY or self._size > _MOST_EARLY_BYTES:
            raise self.fault
        if hold:
            self.held.append(message)
