"""
What Trunkline tells the world of a call.

Every event but `Partial` stands in the call's log under a `seq` without holes and is never changed.
Positions are samples of the call clock.
"""

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

from .call import Role


@dataclass(frozen=True, slots=True)
class Word:
    """One word as written; its times are known only where the engine declares word times."""

    text: str
    start: int | None = None
    end: int | None = None
    confidence: float | None = None
    """0 to 1, by the method that the engine declares; None where it declares none."""


@dataclass(frozen=True, slots=True)
class SegmentId:
    """One stretch of speech: the idempotency key of all that is said of it."""

    channel: int
    number: int
    """Counts from 0 in each channel, without holes."""

    def __str__(self) -> str:
        return f"{self.channel}-{self.number}"

    @classmethod
    def parse(cls, text: str) -> "SegmentId":
        """The reverse of `str`; ValueError for anything else."""
        channel, number = text.split("-")
        return cls(int(channel), int(number))


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the call clock; `end` is the first sample behind it."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The first event of every log."""

    roles: tuple[Role, ...]
    """One for each channel, in the order of their numbers."""

    language: str
    dialect: str
    started_at: float
    """Wall clock of the gateway, in seconds since 1970: metadata, never used for positions."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak; a partial or a final follows under the same segment."""

    segment: SegmentId
    start: int


@dataclass(frozen=True, slots=True)
class Partial:
    """What an open segment sounds like so far.  The first `stable` words will not change in later partials."""

    segment: SegmentId
    span: Span
    revision: int
    words: tuple[Word, ...]
    stable: int


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of one final went, in milliseconds: for people who tune, not for positions."""

    waited_ms: int
    """From the job's being queued to its batch being started."""

    engine_ms: int
    """In the engine, for the whole batch."""


class Withheld(StrEnum):
    """Why words were not written although there was sound: behind `withheld:` among the flags of a final."""

    TOO_SHORT = "too_short"
    """Less than a tenth of a second: a click, not a word."""

    TOO_QUIET = "too_quiet"
    """Too soft for speech, even after the gain that was given to it."""

    IMPROBABLE = "improbable"
    """The engine itself thought that nobody spoke, and was not sure of the words either."""

    @property
    def flag(self) -> str:
        """As it stands among the flags."""
        return f"{_WITHHELD}{self.value}"


_WITHHELD = "withheld:"


@dataclass(frozen=True, slots=True)
class Final:
    """All that was said in a segment.  Standalone: it repeats nothing of earlier finals."""

    segment: SegmentId
    span: Span
    words: tuple[Word, ...]
    language: str
    keywords_revision: int
    keywords_found: tuple[str, ...]
    """The keywords of the call that stand in the text, as the call wrote them."""

    engine: str
    timing: Timing
    flags: tuple[str, ...] = ()
    """What a reader should know of the text, for instance `loop_cut` or `withheld:too_quiet`."""

    @property
    def text(self) -> str:
        """The words, joined."""
        return " ".join(word.text for word in self.words)

    @property
    def is_withheld(self) -> bool:
        """Whether all words of the segment were withheld: its audio counts as withheld, not as transcribed."""
        return not self.words and any(flag.startswith(_WITHHELD) for flag in self.flags)


@dataclass(frozen=True, slots=True)
class SegmentFailed:
    """A segment that was heard and could not be transcribed; `reason` is for people."""

    segment: SegmentId
    span: Span
    reason: str


@dataclass(frozen=True, slots=True)
class SegmentDropped:
    """A segment that was given up on purpose, for instance under overload."""

    segment: SegmentId
    span: Span
    reason: str


class Account(StrEnum):
    """Where a stretch of audio ended."""

    TRANSCRIBED = "transcribed"
    SILENCE = "silence"
    PAUSED = "paused"
    LOST_UPSTREAM = "lost_upstream"
    SHED = "shed"
    WITHHELD = "withheld"
    """It went to an engine, and a guard kept its words back: the final says why."""


@dataclass(frozen=True, slots=True)
class AudioGap:
    """Audio that should be there and is not: the clock has been advanced over it."""

    channel: int
    span: Span
    reason: str
    account: Account = Account.LOST_UPSTREAM
    """Where the account of the channel has it: lost, paused or shed."""


@dataclass(frozen=True, slots=True)
class KeywordsApplied:
    """What became of a keyword list: `accepted` biases every segment that ends from now on."""

    revision: int
    accepted: tuple[str, ...]
    rejected: tuple[str, ...]
    """Each with its reason, `term: reason`."""

    per_segment: int | None = None
    """How many of them an engine is given for one segment, those that sound most like it; None: all."""


class LoadLevel(IntEnum):
    """What is left out because the workers are behind; each level leaves out what the lower ones do."""

    NORMAL = 0
    FEWER_PARTIALS = 1
    NO_PARTIALS = 2
    NO_NEW_CALLS = 3


@dataclass(frozen=True, slots=True)
class LoadChanged:
    """The workers are behind, or have caught up.  Finals are never left out, but may come late."""

    number: int
    """Counts from 0 in each call."""

    level: LoadLevel
    reason: str = ""
    """Why, where it is not that the workers are behind: no living worker can do what the call needs."""


@dataclass(frozen=True, slots=True)
class DtmfPressed:
    """A telephone key.  Never words."""

    channel: int
    digit: str
    at: int


class Fault(StrEnum):
    """What can be wrong with the audio of a channel."""

    WRONG_LAW = "wrong_law"
    """mu-law was read as A-law, or the reverse."""

    WRONG_ENCODING = "wrong_encoding"
    """16-bit samples were read as G.711."""

    WRONG_BYTE_ORDER = "wrong_byte_order"
    WRONG_RATE = "wrong_rate"
    DUAL_MONO = "dual_mono"
    """Two channels carry the same."""

    ONE_WAY = "one_way"
    """Nothing has come from a channel while another one speaks."""

    CLIPPING = "clipping"
    DC_OFFSET = "dc_offset"
    PACKET_LOSS = "packet_loss"
    TOO_QUIET = "too_quiet"
    NOISE = "noise"


@dataclass(frozen=True, slots=True)
class LineWarning:
    """Something is wrong with the audio of a channel: said once, and again only when it had gone away."""

    channel: int
    fault: Fault
    check: str
    """What to look at, in a sentence for whoever runs the bridge."""

    measured: float
    unit: str
    at: int


@dataclass(frozen=True, slots=True)
class CallWarning:
    """Something that the bridge sent was ignored (see `WarningCode`): said once for each kind of thing."""

    number: int
    """Counts from 0 in each call."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class MarkReached:
    """All audio before the bridge's mark has been answered."""

    name: str


@dataclass(frozen=True, slots=True)
class ChannelTotals:
    """The audio of one channel in samples, by account; the sum is the length of the channel."""

    transcribed: int = 0
    silence: int = 0
    paused: int = 0
    lost_upstream: int = 0
    shed: int = 0
    withheld: int = 0

    def withhold(self, samples: int) -> "ChannelTotals":
        """Count `samples` of what was transcribed as withheld; not more than there are."""
        moved = min(samples, self.transcribed)
        return replace(self, transcribed=self.transcribed - moved, withheld=self.withheld + moved)


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The last event of every log: nothing follows it."""

    reason: str
    duration: int
    segments: int
    """How many segments were heard; each has exactly one terminal event before this one."""

    channels: tuple[ChannelTotals, ...]


Terminal = Final | SegmentFailed | SegmentDropped
"""What ends a segment: exactly one for each."""

LoggedEvent = (
    CallStarted
    | SpeechStarted
    | Terminal
    | AudioGap
    | KeywordsApplied
    | LoadChanged
    | DtmfPressed
    | LineWarning
    | CallWarning
    | MarkReached
    | CallEnded
)
"""What stands in the log."""

TranscriptEvent = LoggedEvent | Partial


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of a call's log, or a partial (which has no `seq`)."""

    event: TranscriptEvent
    seq: int | None
