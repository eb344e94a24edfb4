"""What a bridge tells us, whatever its dialect."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .audio import Pcm
from .call import CallConfig, Role
from .events import Account


class DialectError(Exception):
    """
    The peer broke its dialect.

    The text may quote the peer: it goes into the close reason, never into a log.
    """


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


def in_pieces(
    events: Iterable["BridgeEvent"], milliseconds: int, rate: int
) -> Iterator["BridgeEvent"]:
    """
    The same events with no audio longer than `milliseconds` at `rate` Hz.

    Channels whose audio stands side by side take turns, so that none runs ahead of another.
    """
    size = rate * milliseconds // 1_000
    side_by_side: dict[int, AudioReceived] = {}
    for event in events:
        if not isinstance(event, AudioReceived) or event.channel in side_by_side:
            yield from _in_turns(side_by_side, size)
            side_by_side = {}
        if isinstance(event, AudioReceived):
            side_by_side[event.channel] = event
        else:
            yield event
    yield from _in_turns(side_by_side, size)


def _in_turns(channels: "dict[int, AudioReceived]", size: int) -> Iterator["BridgeEvent"]:
    longest = max((len(audio.pcm) for audio in channels.values()), default=0)
    for start in range(0, longest, size):
        for audio in channels.values():
            pcm = audio.pcm[start : start + size]
            at = None if audio.position is None else audio.position + start
            if len(pcm):
                yield AudioReceived(audio.channel, pcm, at)


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


BridgeEvent = (
    CallOpened
    | AudioReceived
    | AudioSkipped
    | LanguageChanged
    | KeywordsChanged
    | MarkReceived
    | DtmfReceived
    | FinalizeRequested
    | CallClosed
)
