"""
Commands to a call in progress, which another process sends to its gateway, and the replies.  Pure.

They travel over a pub/sub channel of the partition, as MessagePack.  The reply goes to a list that the command
names.
"""

import msgspec


class SetKeywords(msgspec.Struct, frozen=True, tag="keywords"):
    """Replace the keyword list."""

    terms: tuple[str, ...]


class Pause(msgspec.Struct, frozen=True, tag="pause"):
    """Process no audio and no DTMF from now on."""


class Resume(msgspec.Struct, frozen=True, tag="resume"):
    """Process audio again."""


class AddCard(msgspec.Struct, frozen=True, tag="card"):
    """
    Add a card.  A card whose id the call has is not added again.

    `segment`: of the form `0-3`, or empty; `at`: position on the call clock in samples, None for now.
    """

    card_id: str
    title: str
    text: str = ""
    link: str = ""
    audience: str = ""
    segment: str = ""
    at: int | None = None
    rule: str = ""


class ReadLevels(msgspec.Struct, frozen=True, tag="levels"):
    """Measure the audio of each channel."""


Command = SetKeywords | Pause | Resume | AddCard | ReadLevels

NO_ROOM_FOR_CARD = "this call has no room for more cards"
"""Why a card was not added."""


class CommandRequest(msgspec.Struct, frozen=True):
    """A command to one call.  `call_id`: filed id; `reply_to`: key of the list for the reply."""

    call_id: str
    reply_to: str
    command: Command


class ChannelLevel(msgspec.Struct, frozen=True):
    """
    The audio of a channel as the bridge sends it.

    `received_ms`: its end on the call clock; `level`: of the loudest 20 ms of the last measured quarter of a
    second, `loudest`: of the loudest 20 ms so far, in dBFS; None before the first measurement.
    """

    received_ms: int
    level: float | None = None
    loudest: float | None = None


class Reply(msgspec.Struct, frozen=True):
    """The state after the command; `refused`: why it was not done, empty if it was."""

    refused: str = ""
    revision: int = 0
    accepted: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    paused: bool = False
    at: int = 0
    """Position of a card on the call clock, in samples."""

    levels: tuple[ChannelLevel, ...] = ()
    """One for each channel, in their order."""


class CommandError(ValueError):
    """The bytes are not of a version that this program knows."""


def encode(value: CommandRequest | Reply) -> bytes:
    """Encode a request or a reply."""
    return msgspec.msgpack.encode(value)


def decode_request(payload: bytes) -> CommandRequest:
    """Decode a request.  Raises CommandError."""
    try:
        return msgspec.msgpack.decode(payload, type=CommandRequest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise CommandError("a command of another version of Trunkline") from exc


def decode_reply(payload: bytes) -> Reply:
    """Decode a reply.  Raises CommandError."""
    try:
        return msgspec.msgpack.decode(payload, type=Reply)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise CommandError("a reply of another version of Trunkline") from exc
