"""
Transcript events of a call.

Every event except `Partial` is in the event log of the call, under a `seq` without holes, and is never changed.
Positions are samples of the call clock (8 kHz).
"""

from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum

from ..calls.call import Role


@dataclass(frozen=True, slots=True)
class Word:
    """One word as written. `start` and `end` are None unless the engine declares word times."""

    text: str
    start: int | None = None
    end: int | None = None
    confidence: float | None = None
    """0 to 1, by the method that the engine declares; None if it declares none."""

    speaker: int | None = None
    """Speaker of a mixed channel, numbered from 0 in the order of their first words; None: not known."""

    role: Role | None = None
    """Role of this speaker, `agent` or `customer`; None: not known, or the role of the channel says it."""


@dataclass(frozen=True, slots=True)
class SegmentId:
    """Identifies a segment of a call; the idempotency key of its events."""

    channel: int
    number: int
    """Counts from 0 in each channel, without holes."""

    def __str__(self) -> str:
        return f"{self.channel}-{self.number}"

    @classmethod
    def parse(cls, text: str) -> "SegmentId":
        """Parse the result of `str`. Raises ValueError for any other text."""
        channel, number = text.split("-")
        return cls(int(channel), int(number))


@dataclass(frozen=True, slots=True)
class Span:
    """An interval of the call clock, in samples: `start` is included, `end` is excluded."""

    start: int
    end: int

    def shared(self, other: "Span") -> int:
        """Return the number of samples in both spans."""
        return max(0, min(self.end, other.end) - max(self.start, other.start))


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The first event of every log."""

    roles: tuple[Role, ...]
    """One role for each channel, in the order of channel numbers."""

    language: str
    dialect: str
    started_at: float
    """Wall clock of the gateway, in seconds since 1970. Not used for positions."""

    metadata: tuple[tuple[str, str], ...] = ()
    """What the bridge said about the call: names and values. Customer content, never logged."""

    sample_rate: int = 0
    """Sample rate of the bridge's audio in Hz; 0: not known."""

    encoding: str = ""
    """Encoding of the bridge's audio: `mulaw`, `alaw`, `l16`, `g722`, `opus`; empty: not known."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech has begun; partials and the terminal event follow with the same segment."""

    segment: SegmentId
    start: int


@dataclass(frozen=True, slots=True)
class Partial:
    """Transcript of an open segment. Later partials do not change the first `stable` words."""

    segment: SegmentId
    span: Span
    revision: int
    words: tuple[Word, ...]
    stable: int


@dataclass(frozen=True, slots=True)
class Timing:
    """Processing times of a final, for tuning; not used for positions."""

    waited_ms: int
    """Milliseconds from the queueing of the job to the start of its batch."""

    engine_ms: int
    """Milliseconds in the engine, for the whole batch."""


class Withheld(StrEnum):
    """Why the words of a segment were withheld. A final carries it as the flag `withheld:<value>`."""

    TOO_SHORT = "too_short"
    """Shorter than 0.1 s: a click, not a word."""

    TOO_QUIET = "too_quiet"
    """Too quiet for speech, even after gain was applied."""

    REDACTION_FAILED = "redaction_failed"
    """The words could not be checked for data that must not be shown."""

    BACKGROUND = "background"
    """Speech of a speaker clearly farther away than the channel's own one. The gateway left it out."""

    CROSSTALK = "crosstalk"
    """The voice of the other party, leaking from another channel. The gateway left it out."""

    IMPROBABLE = "improbable"
    """The engine reported probable non-speech and low confidence in the words."""

    @property
    def flag(self) -> str:
        """The flag of a final, such as `withheld:too_quiet`."""
        return f"{_WITHHELD}{self.value}"


_WITHHELD = "withheld:"


@dataclass(frozen=True, slots=True)
class Redaction:
    """Words of a final that are not shown. A tag stands in their place."""

    kind: str
    """The kind of data, such as `card_number` (see `protocol/redaction/policy.py`)."""

    place: int
    """Index of the tag among the words."""

    start: int | None = None
    end: int | None = None
    """
    Position between the words around it on the call clock, in samples: the audio that is silenced.

    The whole segment if the engine declares no word times. None in finals of an earlier version.
    """


@dataclass(frozen=True, slots=True)
class Final:
    """The transcript of a whole segment. It repeats nothing of earlier finals."""

    segment: SegmentId
    span: Span
    words: tuple[Word, ...]
    language: str
    keywords_revision: int
    keywords_found: tuple[str, ...]
    """The keywords that occur in the text, in the spelling of the keyword list."""

    engine: str
    timing: Timing
    flags: tuple[str, ...] = ()
    """Notes about the text, for example `loop_cut` or `withheld:too_quiet`."""

    redactions: tuple[Redaction, ...] = ()
    """What was left out of the words, in order."""

    lexical: tuple[Word, ...] = ()
    """The words as they were said, redacted, if `words` are formatted; else empty."""

    @property
    def text(self) -> str:
        """The words, joined by spaces."""
        return " ".join(word.text for word in self.words)

    @property
    def is_withheld(self) -> bool:
        """True if all words of the segment were withheld: its audio counts as withheld, not as transcribed."""
        return not self.words and any(flag.startswith(_WITHHELD) for flag in self.flags)


@dataclass(frozen=True, slots=True)
class SegmentRevised:
    """
    A final that has changed.

    A later segment completed a number that must not be shown, or has shown who speaks on a mixed channel.
    """

    final: Final
    """The final as it is shown from now on. It replaces the earlier one everywhere, in the event log too."""


@dataclass(frozen=True, slots=True)
class SegmentFailed:
    """A segment that could not be transcribed. `reason` is text for people."""

    segment: SegmentId
    span: Span
    reason: str


@dataclass(frozen=True, slots=True)
class SegmentDropped:
    """A segment that was given up on purpose, for example under overload."""

    segment: SegmentId
    span: Span
    reason: str


class Account(StrEnum):
    """How a stretch of received audio was used."""

    TRANSCRIBED = "transcribed"
    SILENCE = "silence"
    PAUSED = "paused"
    LOST_UPSTREAM = "lost_upstream"
    SHED = "shed"
    WITHHELD = "withheld"
    """A check of the engine or of the gateway withheld the words: the flags of the final say why."""


@dataclass(frozen=True, slots=True)
class AudioGap:
    """Missing audio: the clock was advanced over it."""

    channel: int
    span: Span
    reason: str
    account: Account = Account.LOST_UPSTREAM
    """The account of the missing audio: lost, paused or shed."""


@dataclass(frozen=True, slots=True)
class KeywordsApplied:
    """The result of a keyword list: `accepted` applies to every segment that ends from now on."""

    revision: int
    accepted: tuple[str, ...]
    rejected: tuple[str, ...]
    """The refused terms, each as `term: reason`."""

    per_segment: int | None = None
    """Most keywords that an engine receives for one segment: those that sound most like it. None: all."""


class LoadLevel(IntEnum):
    """What is left out under overload. Each level includes the lower ones. Finals are never left out."""

    NORMAL = 0
    FEWER_PARTIALS = 1
    NO_PARTIALS = 2
    NO_NEW_CALLS = 3


@dataclass(frozen=True, slots=True)
class LoadChanged:
    """The load level has changed. Finals are never left out, but may be late."""

    number: int
    """Counts from 0 in each call."""

    level: LoadLevel
    reason: str = ""
    """The reason, if it is not overload: no live worker supports the task of the call."""


@dataclass(frozen=True, slots=True)
class DtmfPressed:
    """A telephone key was pressed (DTMF). It never becomes a word."""

    channel: int
    digit: str
    """0 to 9, `*`, `#`, A to D; or the tag of redacted keys."""

    at: int
    kind: str = ""
    """The kind of data, if the keys of a run are redacted (see `protocol/redaction/keypad.py`)."""

    end: int | None = None
    """Position of the last key of a redacted run; None for one key."""


class Fault(StrEnum):
    """Faults in the audio of a channel."""

    WRONG_LAW = "wrong_law"
    """mu-law was decoded as A-law, or A-law as mu-law."""

    WRONG_ENCODING = "wrong_encoding"
    """16-bit samples were decoded as G.711."""

    WRONG_BYTE_ORDER = "wrong_byte_order"
    WRONG_RATE = "wrong_rate"
    DUAL_MONO = "dual_mono"
    """Two channels carry the same audio."""

    ONE_WAY = "one_way"
    """A channel has sent nothing while another one carries speech."""

    CLIPPING = "clipping"
    DC_OFFSET = "dc_offset"
    PACKET_LOSS = "packet_loss"
    TOO_QUIET = "too_quiet"
    NOISE = "noise"


@dataclass(frozen=True, slots=True)
class LineWarning:
    """A fault in the audio of a channel. Sent once, and again only if the fault disappeared and returned."""

    channel: int
    fault: Fault
    check: str
    """What the operator of the bridge should check, in one sentence."""

    measured: float
    unit: str
    at: int


@dataclass(frozen=True, slots=True)
class CallWarning:
    """Something that the bridge sent was ignored (see `WarningCode`). Sent once for each kind."""

    number: int
    """Counts from 0 in each call."""

    code: str
    message: str


class Audience(StrEnum):
    """For whom a card is."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    EVERYONE = "everyone"


@dataclass(frozen=True, slots=True)
class CardAdded:
    """A card of the site for people who read the call: a hint, a link, the result of a rule."""

    card_id: str
    """Idempotency key: a call has one card with this id."""

    title: str
    at: int
    """Position of what caused it, on the call clock."""

    text: str = ""
    link: str = ""
    """URL with http or https; empty if there is none."""

    audience: Audience = Audience.EVERYONE
    segment: SegmentId | None = None
    """The segment that caused it, if one did."""

    rule: str = ""
    """Name of the rule that added it; empty if a client of the API did."""


@dataclass(frozen=True, slots=True)
class AudioKept:
    """The audio of the call is kept from here on, in a new file (see `protocol/kept_audio/`)."""

    part: str
    """Name of the file."""

    key: bytes = field(repr=False)
    """Key of the file, wrapped with a master key of the site. Never in the public form."""

    is_checked: bool = True
    """Whether words are checked for data that must not be shown: what could not be checked is then silent."""


@dataclass(frozen=True, slots=True)
class MarkReached:
    """All audio before the mark of the bridge has been processed."""

    name: str


@dataclass(frozen=True, slots=True)
class ChannelTotals:
    """The audio of a channel by account, in samples of the call clock. The sum is the length of the channel."""

    transcribed: int = 0
    silence: int = 0
    paused: int = 0
    lost_upstream: int = 0
    shed: int = 0
    withheld: int = 0

    def withhold(self, samples: int) -> "ChannelTotals":
        """Move `samples` from transcribed to withheld, at most as many as were transcribed."""
        moved = min(samples, self.transcribed)
        return replace(self, transcribed=self.transcribed - moved, withheld=self.withheld + moved)


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The last event of every log."""

    reason: str
    duration: int
    segments: int
    """Number of segments; each has exactly one terminal event before this one."""

    channels: tuple[ChannelTotals, ...]


Terminal = Final | SegmentFailed | SegmentDropped
"""Terminal events: each segment has exactly one."""

LoggedEvent = (
    CallStarted
    | SpeechStarted
    | Terminal
    | SegmentRevised
    | AudioGap
    | KeywordsApplied
    | LoadChanged
    | DtmfPressed
    | LineWarning
    | CallWarning
    | CardAdded
    | AudioKept
    | MarkReached
    | CallEnded
)
"""The events of a log."""

TranscriptEvent = LoggedEvent | Partial


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of a call's log, or a partial (which has no `seq`)."""

    event: TranscriptEvent
    seq: int | None
    payload: bytes = field(repr=False)
    """The bytes of the event as they were written. They may hold fields that this version does not know."""

    @property
    def ends(self) -> SegmentId | None:
        """The segment whose terminal event this is."""
        return self.event.segment if isinstance(self.event, Terminal) else None

    @property
    def is_last(self) -> bool:
        """Whether this is `call.ended`."""
        return isinstance(self.event, CallEnded)


@dataclass(frozen=True, slots=True)
class UnreadEntry:
    """
    An entry whose event this version cannot read: its type is unknown, or its values are of another version.

    It keeps its place in the log and is never sent to a bridge or a listener.
    """

    kind: str
    """Name of the event's type; empty if the bytes are not an event."""

    seq: int | None
    payload: bytes = field(repr=False)
    """The bytes of the event as they were written."""

    ends: SegmentId | None = None
    """The segment, if the type is one of the terminal events. A type of a newer version never ends a segment."""

    @property
    def is_last(self) -> bool:
        """Whether this is a `call.ended`."""
        return self.kind == CallEnded.__name__


LogEntry = Entry | UnreadEntry
"""What a reader finds in an event log."""
