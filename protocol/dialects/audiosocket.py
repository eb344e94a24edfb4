"""
Asterisk's AudioSocket: frames over TCP, one connection for each call; the gateway only receives.

https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/ A frame has a kind (one byte), the length of
its payload (two bytes, big-endian) and the payload.  The first frame holds a UUID, under which the site has
registered the call's parameters before.  Asterisk ends the call on a frame of an unknown kind, so the gateway sends
only hang-ups and silence.
"""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from ..audio import AudioFormat, Encoding
from ..bridge_events import BridgeEvent, CallClosed, DialectError, DtmfReceived
from ..events import Entry
from .base import Message, Request
from .common import call_parameters, json_fields
from .common.deinterleave import Interleaved

_HANG_UP = 0x00
_UUID = 0x01
_DTMF = 0x03
_ERROR = 0xFF
_RATES = {
    0x10: 8_000,
    0x11: 12_000,
    0x12: 16_000,
    0x13: 24_000,
    0x14: 32_000,
    0x15: 44_100,
    0x16: 48_000,
}
_OTHER_RATES = (0x17, 0x18)

_HEAD = 3
GREETING = _HEAD + 16
"""Length of the first frame in bytes."""

_MOST_KEYS = 64
"""DTMF digits that are kept before the first audio frame; more do not come from a caller."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of any kind."""

    kind: int
    payload: bytes = b""

    def __bytes__(self) -> bytes:
        return bytes((self.kind,)) + len(self.payload).to_bytes(2) + self.payload


HANG_UP = bytes(Frame(_HANG_UP))
"""Ends the connection: the dialplan continues after `AudioSocket()`."""

SILENCE = bytes(Frame(0x10, bytes(320)))
"""20 ms of silence: `AudioSocket()` ends when no frame passes for two seconds in either direction."""


class FrameSplitter:
    """Splits a byte stream, in pieces of any size, into frames; buffers less than one frame."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def receive(self, chunk: bytes) -> list[Frame]:
        """Add a piece of the stream.  Returns the frames that are complete now."""
        self._rest += chunk
        frames: list[Frame] = []
        at = 0
        while (end := self._end_of_frame(at)) is not None:
            frames.append(Frame(self._rest[at], bytes(self._rest[at + _HEAD : end])))
            at = end
        del self._rest[:at]
        return frames

    def _end_of_frame(self, at: int) -> int | None:
        """The end of the frame that begins at `at`; None if it is not complete."""
        head = self._rest[at : at + _HEAD]
        end = at + _HEAD + int.from_bytes(head[1:])
        return end if len(head) == _HEAD and end <= len(self._rest) else None


def greeting(first: bytes) -> UUID:
    """The UUID in the first frame.  Raises DialectError for any other frame."""
    match FrameSplitter().receive(first):
        case [Frame(kind, payload)] if kind == _UUID and len(payload) == 16:
            return UUID(bytes=payload)
        case _:
            raise DialectError(
                "an AudioSocket connection must begin with a frame of kind 1 that holds a UUID of 16 bytes"
            )


class AudioSocket:
    """
    One connection after its greeting; `request` holds the parameters that were registered for its UUID.

    The first audio frame opens the call, because its kind gives the sample rate.
    """

    name: ClassVar[str] = "audiosocket"

    def __init__(self, uuid: UUID, request: Request) -> None:
        """Parameters of the registration that are not understood are ignored."""
        self._call_params = call_parameters.parse_parameters(request.query)
        self._role = call_parameters.role_of(request.query)
        self._own_id = str(uuid)
        self._frames = FrameSplitter()
        self._audio: Interleaved | None = None
        self._keys: list[BridgeEvent] = []
        self._over = False

    @property
    def call_id(self) -> str:
        """The id of the call: the registered one, else the UUID."""
        return self._call_params.call_id or self._own_id

    @property
    def warnings(self) -> tuple[str, ...]:
        """Messages about parameters of the registration that were ignored."""
        return tuple(one.message for one in self._call_params.warnings)

    @property
    def rejected_keywords(self) -> tuple[str, ...]:
        """The rejected keywords, each with its reason."""
        return self._call_params.rejected_keywords

    def receive(self, message: Message) -> list[BridgeEvent]:
        """Translate a piece of the stream, of any size, into events.  Raises DialectError for invalid frames."""
        if isinstance(message, str):
            raise DialectError("an AudioSocket connection must carry binary data")
        return [
            event for frame in self._frames.receive(message) for event in self._understand(frame)
        ]

    def opened(self, call_id: str) -> None:
        """Do nothing: the protocol has no answer."""

    def notify(self, entry: Entry) -> None:
        """Do nothing: the protocol carries no text; listeners read the call's events from the gateway."""

    def outbox(self) -> list[Message]:
        """Return nothing: the protocol has no messages for Asterisk here."""
        return []

    def _understand(self, frame: Frame) -> list[BridgeEvent]:
        if self._over:
            return []
        match frame.kind:
            case kind if kind in _RATES:
                return self._feed(_RATES[kind], frame.payload)
            case kind if kind in _OTHER_RATES:
                raise DialectError(
                    f"audio of kind {kind:#x} is not supported: dial with c(slin) to c(slin48)"
                )
            case kind if kind == _DTMF:
                return self._press(frame.payload)
            case kind if kind in {_HANG_UP, _ERROR}:
                return self._end()
            case kind if kind == _UUID:
                raise DialectError("a second UUID: one connection carries one call")
            case _:  # kinds that Asterisk may add later
                return []

    def _feed(self, rate: int, payload: bytes) -> list[BridgeEvent]:
        opening = [] if self._audio else self._open(rate)
        assert self._audio is not None  # it has been opened by now
        if rate != self._audio.format.rate:
            raise DialectError(f"sound of {rate} Hz in a call of {self._audio.format.rate} Hz")
        return [*opening, *self._audio.receive(payload)]

    def _open(self, rate: int) -> list[BridgeEvent]:
        self._audio = Interleaved(AudioFormat(Encoding.L16, rate))
        pressed, self._keys = self._keys, []
        return [
            self._call_params.open(self.call_id, (self._role,), rate, self._audio.encoding),
            *pressed,
        ]

    def _press(self, payload: bytes) -> list[BridgeEvent]:
        """A DTMF digit.  Digits before the first audio frame are kept until the call is open."""
        pressed = DtmfReceived(0, json_fields.digit({"digit": payload.decode("latin-1")}))
        if self._audio:
            return [pressed]
        if len(self._keys) == _MOST_KEYS:
            raise DialectError("too many DTMF frames before the first audio")
        self._keys.append(pressed)
        return []

    def _end(self) -> list[BridgeEvent]:
        """End of the call; a connection without audio is opened as an empty call first."""
        self._over = True
        return [*([] if self._audio else self._open(8_000)), CallClosed()]
