"""Passes plain audio from the socket of a bridge to its call, without waking the task that reads other messages."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from protocol.bridge_events import CodedAudio
from protocol.dialects.base import Dialect, Message, PlainAudio

from ...call.bad_messages import BadMessages
from ..calls.joined_call import CallHandle
from .bridge_socket import DirectSocket, Socket
from .decoding import STEP_MS


class DirectAudio:
    """Takes the messages that are nothing but audio, while no earlier message is being processed."""

    def __init__(
        self,
        audio_of: Callable[[Message], Sequence[CodedAudio] | None],
        live_call: CallHandle,
        bad: BadMessages,
        rate: int,
    ) -> None:
        """`audio_of`: as `PlainAudio.audio`; `rate`: sample rate of the bridge, in Hz."""
        self._audio_of = audio_of
        self._live_call = live_call
        self._bad = bad
        self._longest = rate * STEP_MS // 1_000  # bytes: at most as many samples
        self.is_held_up = False
        """Whether an earlier message is being processed."""

    def take(self, message: Message) -> bool:
        """Process a message with nothing but audio.  Returns False, and does nothing, for any other message."""
        if self.is_held_up or len(message) > self._longest or not self._live_call.is_live:
            return False
        audio = self._audio_of(message)
        if audio is None:
            return False
        self._live_call.hear(audio)
        self._bad.understood_audio()
        return True


@contextmanager
def receiving_directly(
    socket: Socket, dialect: Dialect, live_call: CallHandle, bad: BadMessages, rate: int
) -> Iterator[DirectAudio]:
    """Let the socket pass plain audio to the call while the context is active, if it and the dialect can do so."""
    direct = DirectAudio(_nothing, live_call, bad, rate)
    if not (isinstance(socket, DirectSocket) and isinstance(dialect, PlainAudio)):
        yield direct
        return
    direct = DirectAudio(dialect.audio, live_call, bad, rate)
    socket.receive_directly(direct.take)
    try:
        yield direct
    finally:
        socket.receive_directly(None)


def _nothing(_: Message) -> None:
    return None
