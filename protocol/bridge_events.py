"""Events from a bridge, the same for all dialects."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np
from msgspec import Struct

from .audio import Encoding, Pcm, decode
from .calls.call import CallConfig, Role
from .events import Account


class DialectError(Exception):
    """
    The bridge violated its dialect.

    The text may quote the bridge: it is sent in the close reason and never logged.
    """


class UnreadableError(DialectError):
    """The message cannot be understood. A later message may still open the call."""


class EarlyError(UnreadableError):
    """The message is valid only after the call was opened. The same message may be decoded again then."""


class WarningCode(StrEnum):
    """Why something that a bridge sent was ignored. The call continues."""

    BAD_MESSAGE = "bad_message"
    """A message could not be understood and was ignored."""

    OPTION_IGNORED = "option_ignored"
    """An optional field could not be understood; its default value is used."""

    REDACTION_LIMITED = "redaction_limited"
    """Number words of the call's language are not known: only digits are redacted."""

    CALL_ID_MISSING = "call_id_missing"
    """The bridge sent no call id: the gateway generated one."""


@dataclass(frozen=True, slots=True)
class BridgeWarning:
    """Something that the bridge sent was ignored. The call continues."""

    code: WarningCode
    message: str
    """Text for people. May quote the bridge: written to the event log of the call, never to a process log."""


@dataclass(frozen=True, slots=True)
class CallOpened:
    """The first event of every bridge connection."""

    call_id: str | None
    """None if the bridge sends no call id: the gateway generates one."""

    roles: tuple[Role, ...]
    rate: int = 8_000
    """Sample rate of the audio that follows, 8000 to 48000 Hz."""

    encoding: str = ""
    """How the bridge encodes the audio: `mulaw`, `alaw`, `l16`, `g722`, `opus`; empty: not known."""

    config: CallConfig = CallConfig()
    rejected_keywords: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    """Other data of the bridge about the call: customer content, never logged."""

    joins: tuple[Role, ...] = ()
    """The roles of the whole call, if this is one of its several streams; `roles` is a part of them."""

    warnings: tuple[BridgeWarning, ...] = ()
    """What was ignored in the opening message."""

    resumable: bool = False
    """The bridge reconnects if its connection breaks: keep the call open."""

    token: str = field(repr=False, default="")
    """The token issued at the start of the call; sent by a bridge that reconnects."""

    after: int | None = None
    """The last `seq` that the bridge received; None if it needs no events again."""


class AudioReceived(Struct, frozen=True, eq=False, gc=False):
    """
    Audio of one channel. `pcm`: int16, `[n]`, at the rate of `CallOpened`.

    Not a dataclass, because there is one for each frame: it takes a tenth of the time to make.
    """

    channel: int
    pcm: Pcm
    position: int | None = None
    """
    Position of the first sample of `pcm` in this channel, in samples at the rate of the bridge.

    None: the audio continues the channel.
    """

    def __repr__(self) -> str:
        """Without the audio."""
        return f"AudioReceived({self.channel}, position={self.position})"


class CodedAudio(Struct, frozen=True, eq=False, gc=False):
    """Like `AudioReceived`, with samples that are not decoded yet: whole samples of one channel."""

    channel: int
    payload: bytes
    encoding: Encoding
    samples: int
    """Number of samples in `payload`."""

    position: int | None = None

    @property
    def received(self) -> AudioReceived:
        """The same, decoded."""
        return AudioReceived(self.channel, decode(self.payload, self.encoding), self.position)

    def __repr__(self) -> str:
        """Without the audio."""
        return f"CodedAudio({self.channel}, position={self.position})"


class FrameDecoder(Protocol):
    """The decoder of one stream of compressed audio. It has state: frames must be decoded in order."""

    @property
    def pending(self) -> int:
        """Samples of each channel, at the rate of `CallOpened`, that were received and are not decoded yet."""
        ...

    def pieces(self, frame: bytes) -> Iterator[list[Pcm]]:
        """
        Decode a frame step by step. Each step returns an array for each channel (at most 1 s), or an empty list.

        Each step is a bounded amount of work. Pass frames in order, and read each iterator to its end. Raises
        ValueError for another codec or a frame that is too long.
        """
        ...


@dataclass(frozen=True, slots=True)
class EncodedAudioReceived:
    """
    Compressed audio of all channels, not decoded yet.

    Decoding must not block the event loop: a session runs each step of `decoded` outside of it.
    """

    frame: bytes = field(repr=False)
    decoder: FrameDecoder = field(repr=False)
    channel: int = 0
    """The number of the first channel."""

    position: int | None = None
    """As in `AudioReceived`."""

    mixed: bool = False
    """Mix all channels to one."""

    def decoded(self) -> Iterator[list[AudioReceived]]:
        """Decode step by step: one event for each channel, or none. Raises DialectError for another codec."""
        position = self.position
        try:
            for piece in self.decoder.pieces(self.frame):
                if self.mixed and len(piece) > 1:
                    piece = [np.mean(piece, axis=0).astype(np.int16)]  # noqa: PLW2901
                yield [
                    AudioReceived(self.channel + number, pcm, position)
                    for number, pcm in enumerate(piece)
                ]
                if piece and position is not None:
                    position += len(piece[0])
        except ValueError as exc:
            raise DialectError(str(exc)) from exc


@dataclass(frozen=True, slots=True)
class AudioSkipped:
    """Audio of all channels that is not transcribed or will not arrive. The call clock advances over it."""

    samples: int
    """At the rate of `CallOpened`. Positions of later audio include them."""

    account: Account
    reason: str


@dataclass(frozen=True, slots=True)
class LanguageChanged:
    """Another language is spoken from this point on."""

    language: str
    """ISO 639 code."""


@dataclass(frozen=True, slots=True)
class KeywordsChanged:
    """A new keyword list, which replaces the old one."""

    terms: tuple[str, ...]
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MarkReceived:
    """The bridge requests a notification when all audio before this point has been processed."""

    name: str


@dataclass(frozen=True, slots=True)
class DtmfReceived:
    """A telephone key on a channel (DTMF)."""

    channel: int
    digit: str


@dataclass(frozen=True, slots=True)
class FinalizeRequested:
    """End open segments now. `channel`: None for all channels."""

    channel: int | None = None


@dataclass(frozen=True, slots=True)
class CallClosed:
    """The bridge ended the call. No event follows."""


DecodedEvent = (
    CallOpened
    | AudioReceived
    | AudioSkipped
    | LanguageChanged
    | KeywordsChanged
    | MarkReceived
    | DtmfReceived
    | FinalizeRequested
    | BridgeWarning
    | CallClosed
)
"""Events that a call processes without decoding audio."""

BridgeEvent = DecodedEvent | EncodedAudioReceived
