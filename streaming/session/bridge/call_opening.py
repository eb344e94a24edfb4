"""Reads a connection's messages up to the one that opens its call."""

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from websockets.exceptions import ConnectionClosed

from broker.time_limits import PeerTimeLimit
from protocol.bridge_events import BridgeEvent, EarlyError, UnreadableError
from protocol.dialects.base import Dialect, LateOpening, Message, OpenedByUrl
from protocol.dialects.common import json_fields

from ...call.bad_messages import EarlyMessages, Tolerance

_OPENING_SECONDS = 1.0
"""Seconds to wait for the opening message after another message has come before it."""


class NotOpenedError(Exception):
    """No call was opened in time."""


class _Messages(Protocol):
    def __aiter__(self) -> AsyncIterator[Message]: ...


class CallOpening:
    """
    Reads messages until the dialect opens a call.

    Some bridges send audio before their opening message.  Such audio is kept for at most one second, and processed
    once the call is open.
    """

    def __init__(self, dialect: Dialect, tolerance: Tolerance, first_message: float) -> None:
        """`first_message`: seconds to wait for the first message."""
        self._dialect = dialect
        self._tolerance = tolerance
        self._first_message = first_message
        self._early = EarlyMessages()

    def held(self) -> list[Message]:
        """Return and clear the messages that came before the opening message and are valid now, in order."""
        held, self._early.held = self._early.held, []
        return held

    async def first_events(
        self, messages: _Messages, answered: Callable[[], None]
    ) -> list[BridgeEvent]:
        """
        Return the events of the opening message; an empty list if the bridge leaves before it.

        `answered` is called when the dialect may have messages to send.  Raises NotOpenedError, DialectError,
        ConnectionClosed.
        """
        if isinstance(self._dialect, OpenedByUrl) and self._dialect.objection:
            raise self._dialect.objection
        try:
            async with PeerTimeLimit(self._first_message) as limit:
                async for message in messages:
                    if events := self._understand(message):
                        return events
                    answered()
                    self._hurry(limit)
        except TimeoutError:
            if self._early.fault is None:
                raise NotOpenedError from None
        except ConnectionClosed:
            if not self._early.held:
                raise
        return self._open_late()

    def _understand(self, message: Message) -> list[BridgeEvent]:
        """Decode one message.  Raises DialectError if the call is refused or too many messages are invalid."""
        try:
            return self._dialect.receive(json_fields.control(message))
        except UnreadableError as exc:
            if self._tolerance.strict:
                raise
            self._early.add(message, exc, hold=isinstance(exc, EarlyError))
            return []

    def _hurry(self, limit: PeerTimeLimit) -> None:
        """After the first invalid message, shorten the time limit of the opening message to one second."""
        if self._early.fault and not self._early.is_hurried:
            self._early.is_hurried = True
            limit.shorten(_OPENING_SECONDS)

    def _open_late(self) -> list[BridgeEvent]:
        """Open the call without an opening message, if the dialect allows it: some bridges send none."""
        if self._early.held and isinstance(self._dialect, LateOpening):
            return self._dialect.open_late()
        if self._early.fault:
            raise self._early.fault
        return []
