"""
Messages between the process that has a bridge's stream of a joined call, and the process that has the call.

Both are processes of one group and of one version, on a private Unix socket.  A message is its length (4 bytes),
its kind (1 byte) and its content.  Pure.
"""

import struct
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from protocol.audio import Pcm
from protocol.bridge_events import (
    AudioReceived,
    BridgeWarning,
    CallOpened,
    DtmfReceived,
    FinalizeRequested,
    KeywordsChanged,
    LanguageChanged,
    MarkReceived,
)

LENGTH: Final = struct.Struct(">I")
_AUDIO: Final = struct.Struct(">Bq")
_NO_POSITION: Final = -(2**63)


@dataclass(frozen=True, slots=True)
class OpenStream:
    """The first message: a stream of the call with the filed id `call_id`."""

    call_id: str
    dialect: str
    opened: CallOpened


@dataclass(frozen=True, slots=True)
class HangUp:
    """The stream has ended.  `reason` is the end reason of the call if it was its last."""

    reason: str


@dataclass(frozen=True, slots=True)
class Paused:
    """No audio arrives for now."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The stream is attached to its call.  `heard`: end of the call's audio, on the call clock."""

    heard: int


@dataclass(frozen=True, slots=True)
class Heard:
    """End of the audio that the call has received on any stream, on the call clock."""

    heard: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The stream may not be opened: the bridge's fault, or for now if `again`.  `reason`: for people."""

    reason: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """The call is over or goes on without this stream.  `superseded`: a newer stream has its channel."""

    superseded: bool = False


StreamEvent = (
    KeywordsChanged
    | LanguageChanged
    | MarkReceived
    | DtmfReceived
    | FinalizeRequested
    | BridgeWarning
)
LinkMessage = (
    OpenStream | AudioReceived | StreamEvent | HangUp | Paused | Opened | Heard | Refused | Left
)

_KINDS: Final[tuple[type, ...]] = (
    *(OpenStream, AudioReceived, HangUp, Paused, Opened, Heard, Refused, Left),
    *(
        KeywordsChanged,
        LanguageChanged,
        MarkReceived,
        DtmfReceived,
        FinalizeRequested,
        BridgeWarning,
    ),
)
_NUMBERS: Final = {kind: number for number, kind in enumerate(_KINDS)}
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODERS: Final[dict[int, msgspec.msgpack.Decoder[Any]]] = {
    number: msgspec.msgpack.Decoder(kind)
    for number, kind in enumerate(_KINDS)
    if kind is not AudioReceived
}


def encoded(message: LinkMessage) -> bytes:
    """Return a message with its length."""
    if isinstance(message, AudioReceived):
        position = _NO_POSITION if message.position is None else message.position
        content = _AUDIO.pack(message.channel, position) + message.pcm.tobytes()
    else:
        content = _ENCODER.encode(message)
    return LENGTH.pack(1 + len(content)) + bytes([_NUMBERS[type(message)]]) + content


def decoded(data: bytes) -> LinkMessage:
    """Decode a message without its length.  Raises ValueError if it is none."""
    kind, content = data[0], data[1:]
    if _KINDS[kind] is AudioReceived:
        channel, position = _AUDIO.unpack_from(content)
        pcm: Pcm = np.frombuffer(content, np.int16, offset=_AUDIO.size)
        return AudioReceived(channel, pcm, None if position == _NO_POSITION else position)
    message: LinkMessage = _DECODERS[kind].decode(content)
    return message
