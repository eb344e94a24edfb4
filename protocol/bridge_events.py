"""What a bridge tells us, whatever its dialect."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np

from .audio import Pcm
from .call import CallConfig, Role
from .events import Account


class DialectError(Exception):
    """
    The peer broke its dialect.

    The text may quote the peer: it goes into the close reason, never into a log.
    """


class UnreadableError(DialectError):
    """A message that means nothing.  The call may be opened by a later one."""


class EarlyError(UnreadableError):
    """A message that has a meaning only once the call is opened: the same message may be given again then."""


class WarningCode(StrEnum):
    """What was wrong with something that a bridge sent; the call goes on."""

    BAD_MESSAGE = "bad_message"
    """A message that could not be understood was ignored."""

    OPTION_IGNORED = "option_ignored"
    """An optional field that could not be understood was ignored; its default counts."""

    CALL_ID_MISSING = "call_id_missing"
    """The platform's id of the call is not there: the gateway has made one."""


@dataclass(frozen=True, slots=True)
class BridgeWarning:
    """Something that the bridge sent was ignored; the call goes on without it."""

    code: WarningCode
    message: str
    """For people; may quote the peer: it goes into the call's log, never into the log of a process."""


@dataclass(frozen=True, slots=True)
class CallOpened:
    """The first thing a bridge says; nothing may come before it."""

    call_id: str | None
    """None when the bridge names no call: the gateway makes an id."""

    roles: tuple[Role, ...]
    rate: int = 8_000
    """Hz of the audio that follows, 8000 to 48000."""

    config: CallConfig = CallConfig()
    rejected_keywords: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    """What else the bridge says of the call: customer content, never logged."""

    joins: tuple[Role, ...] = ()
    """The roles of the whole call, where this is one of several streams of it; `roles` are some of these."""

    warnings: tuple[BridgeWarning, ...] = ()
    """What of the opening message was ignored."""

    resumable: bool = False
    """The bridge comes back when its connection breaks: keep the call open for it."""

    token: str = field(repr=False, default="")
    """What it was given when the call began; shown by one that comes back."""

    after: int | None = None
    """The last `seq` it has seen; None when it wants nothing again."""


@dataclass(frozen=True, slots=True)
class AudioReceived:
    """Samples of one channel, in the rate that `CallOpened` named."""

    channel: int
    pcm: Pcm = field(repr=False)
    position: int | None = None
    """
    Sample of this channel, in the bridge's rate, that comes first in `pcm`, when the bridge counts.

    None continues where the channel stands.
    """


class FrameDecoder(Protocol):
    """The decoder of one stream of compressed audio; it remembers what came before."""

    @property
    def pending(self) -> int:
        """Samples of each channel, in the rate that `CallOpened` named, that are announced and not decoded yet."""
        ...

    def pieces(self, frame: bytes) -> Iterator[list[Pcm]]:
        """
        One array for each channel, or none, at most a second long.  ValueError for another codec, or too much.

        Each step is a bounded piece of work; frames must be given, and read to the end, in order.
        """
        ...


@dataclass(frozen=True, slots=True)
class EncodedAudioReceived:
    """
    Compressed audio of all channels that is not decoded yet.

    Decoding is work that must not be done on the event loop: a session has each step of `decoded` done elsewhere.
    """

    frame: bytes = field(repr=False)
    decoder: FrameDecoder = field(repr=False)
    channel: int = 0
    """The number of its first channel."""

    position: int | None = None
    """As in `AudioReceived`."""

    mixed: bool = False
    """All channels are to be heard as one."""

    def decoded(self) -> Iterator[list[AudioReceived]]:
        """One event for each channel, or none, piece by piece.  DialectError for what is not that codec."""
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
    """Audio of all channels that is not to be heard, or will not come: the clock goes on without it."""

    samples: int
    """In the rate that `CallOpened` named; positions of what follows count them."""

    account: Account
    reason: str


@dataclass(frozen=True, slots=True)
class LanguageChanged:
    """From here on another language is spoken."""

    language: str
    """ISO 639."""


@dataclass(frozen=True, slots=True)
class KeywordsChanged:
    """A new list, in place of the old."""

    terms: tuple[str, ...]
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MarkReceived:
    """The bridge wants to know when all audio before this point has been answered."""

    name: str


@dataclass(frozen=True, slots=True)
class DtmfReceived:
    """A telephone key on a channel."""

    channel: int
    digit: str


@dataclass(frozen=True, slots=True)
class FinalizeRequested:
    """Close open segments now; None means those of all channels."""

    channel: int | None = None


@dataclass(frozen=True, slots=True)
class CallClosed:
    """The bridge says goodbye; nothing may come behind it."""


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
"""What a call can take in at once."""

BridgeEvent = DecodedEvent | EncodedAudioReceived
