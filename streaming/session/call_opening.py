"""From a connection's first message to the one that opens its call."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from websockets.exceptions import ConnectionClosed

from protocol.bridge_events import BridgeEvent, EarlyError, UnreadableError
from protocol.dialects.base import Dialect, LateOpening, Message, OpenedByUrl
from protocol.dialects.common import json_fields

from ..call.bad_messages import EarlyMessages, Tolerance

_OPENING_SECONDS = 1.0
"""How long the opening message is waited for once others have come before it."""


class NotOpenedError(Exception):
    """Nothing was said in time."""


class _Messages(Protocol):
    def __aiter__(self) -> AsyncIterator[Message]: ...


class CallOpening:
    """
    Reads until the dialect opens a call.

    Some bridges send audio before their opening message: it is held for a second, and heard once the call is open.
    """

    def __init__(self, dialect: Dialect, tolerance: Tolerance, first_message: float) -> None:
        """`first_message`: seconds until anything must have been said."""
        self._dialect = dialect
        self._tolerance = tolerance
        self._first_message = first_message
        self._early = EarlyMessages()

    def held(self) -> list[Message]:
        """What came before the opening message and has a meaning now, in order; asking empties it."""
        held, self._early.held = self._early.held, []
        return held

    async def first_events(
        self, messages: _Messages, answered: Callable[[], None]
    ) -> list[BridgeEvent]:
        """
        What the opening message means; nothing when the bridge leaves before it.

        `answered` is called when the dialect may have something to send.  Raises NotOpenedError, DialectError,
        ConnectionClosed.
        """
        if isinstance(self._dialect, OpenedByUrl) and self._dialect.objection:
            raise self._dialect.objection
        try:
            async with asyncio.timeout(self._first_message) as limit:
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
        """DialectError when the call is refused, or too much cannot be understood."""
        try:
            return self._dialect.receive(json_fields.control(message))
        except UnreadableError as exc:
            if self._tolerance.strict:
                raise
            self._early.add(message, exc, hold=isinstance(exc, EarlyError))
            return []

    def _hurry(self, limit: asyncio.Timeout) -> None:
        """From the first message that was not understood on, the opening message has one second."""
        if self._early.fault and not self._early.is_hurried:
            self._early.is_hurried = True
            due = asyncio.get_running_loop().time() + _OPENING_SECONDS
            limit.reschedule(min(due, limit.when() or due))

    def _open_late(self) -> list[BridgeEvent]:
        """The opening message has not come: some bridges send none."""
        if self._early.held and isinstance(self._dialect, LateOpening):
            return self._dialect.open_late()
        if self._early.fault:
            raise self._early.fault
        return []
