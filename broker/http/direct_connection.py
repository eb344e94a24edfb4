"""
A WebSocket server connection that passes plain messages to their receiver as soon as their bytes arrive.

`websockets` parses a frame with generators, queues it, and wakes the task that waits in `recv`.  For the frames of
calls, fifty a second and call, that is more work than what the gateway does with them.
"""

from collections.abc import Callable
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.protocol import OPEN, Protocol

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the compiled module
    from websockets.utils import apply_mask

Receiver = Callable[[str | bytes], bool]
"""Takes one message.  Returns False, without having done anything, if `recv` must return the message instead."""

_TEXT, _BINARY = 0x81, 0x82
"""First byte of a whole message in one frame without extensions (RFC 6455, section 5.2)."""


class DirectConnection(ServerConnection):
    """
    A connection with a receiver of plain messages.

    The receiver gets a message if it is one whole masked frame of less than 64 KiB, and no earlier message waits
    for `recv`.  Everything else takes the way of `websockets`: control frames, fragments, long or invalid messages,
    and messages that the receiver does not take.  The order of messages is kept.
    """

    _receiver: Receiver | None = None
    _is_between = False
    """Whether the parser of `websockets` is known to be between two frames."""

    def receive_directly(self, receiver: Receiver | None) -> None:
        """Set the receiver of plain messages; None: all messages wait for `recv`.  It must not raise."""
        self._receiver = receiver

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        receiver = self._receiver
        if receiver is None:
            self._is_between = False
        else:
            at, end = 0, len(data)
            while at < end and self._may_skip_queue():
                found = message_at(data, at, self.protocol.max_message_size)
                if found is None or not receiver(found[0]):
                    break
                at = found[1]
            if at == end:
                return
            self._is_between = False
            data = data[at:] if at else data
        super().data_received(data)

    def _may_skip_queue(self) -> bool:
        """Return whether the next frame begins a message that no other message precedes."""
        protocol = self.protocol
        if self.recv_messages.frames.queue or protocol.state is not OPEN:
            return False
        if not self._is_between:
            self._is_between = _is_between_messages(protocol)
        return self._is_between


def message_at(data: bytes, at: int, most: int | None) -> tuple[str | bytes, int] | None:
    """
    Return the message in the frame of a client at `data[at:]`, and the end of the frame.

    None for everything but a whole message of at most `most` bytes in one whole frame of less than 64 KiB.
    """
    if len(data) < at + 6:
        return None
    first, length, start = data[at], data[at + 1] - 0x80, at + 6
    if not 0 <= length < 127:  # without a mask, or 64 KiB and more
        return None
    if length == 126:
        length, start = data[at + 2] << 8 | data[at + 3], at + 8
    end = start + length
    if end > len(data) or (most is not None and length > most):
        return None
    if first == _BINARY:
        return apply_mask(data[start:end], data[start - 4 : start]), end
    if first != _TEXT:
        return None
    try:
        return apply_mask(data[start:end], data[start - 4 : start]).decode(), end
    except UnicodeDecodeError:
        return None


def _is_between_messages(protocol: Protocol) -> bool:
    """Return whether the parser waits for the first byte of a message, and no message is incomplete."""
    waiting: Any = protocol.parser
    while (inner := waiting.gi_yieldfrom) is not None:
        waiting = inner
    return waiting.gi_code.co_name == "at_eof" and protocol.current_size is None
