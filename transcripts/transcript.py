"""A stored call as a value.  Positions are samples of the call clock."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from protocol.events import (
    AudioGap,
    CardAdded,
    ChannelTotals,
    KeywordsApplied,
    LineWarning,
    Redaction,
    SegmentId,
    Span,
    Timing,
    Word,
)

LONGEST_METADATA = 256
"""Most characters of a name or value that a bridge says about a call."""

_PIECE = re.compile(r"(.+)~(\d+)")


def number_of(call_id: str) -> int:
    """Return the number of the stream that `call_id` names; 1 for the first, which has the id of the call."""
    piece = _PIECE.fullmatch(call_id)
    return int(piece[2]) if piece else 1


def root_of(call_id: str) -> str:
    """Return the id of the first stream of the call that `call_id` names, which has the id of the call."""
    piece = _PIECE.fullmatch(call_id)
    return piece[1] if piece else call_id


class Ending(StrEnum):
    """How a segment ended."""

    FINAL = "final"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """One segment with its terminal event."""

    segment: SegmentId
    span: Span
    ending: Ending
    words: tuple[Word, ...] = ()
    reason: str = ""
    """Why a failed or dropped segment has no words."""

    language: str = ""
    keywords_revision: int = 0
    keywords_found: tuple[str, ...] = ()
    engine: str = ""
    flags: tuple[str, ...] = ()
    timing: Timing | None = None
    """Waiting and engine time of a final, if known."""

    lexical: tuple[Word, ...] = ()
    """The words as they were said, redacted, if `words` are formatted; else empty."""

    redactions: tuple[Redaction, ...] = ()
    """What was left out of the words, in order."""

    piece: str = ""
    """Id of the stream that contains the segment; empty for the first stream."""

    @property
    def text(self) -> str:
        """The words, joined by spaces."""
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class CallSummary:
    """Metadata of a call."""

    call_id: str
    roles: tuple[str, ...]
    language: str
    dialect: str
    started_at: float
    """Wall clock in seconds since 1970."""

    ended_reason: str = ""
    """Empty until the call has ended."""

    duration: int = 0
    channels: tuple[ChannelTotals, ...] = ()
    tenant: str = ""
    agent: str = ""
    """Who spoke for the site, as its own systems name them."""

    notes: str = ""
    tags: tuple[str, ...] = ()
    legal_hold: bool = False
    """Whether the call must not be deleted."""

    metadata: tuple[tuple[str, str], ...] = ()
    """What the bridge said about the call: names and values, without credentials and card numbers."""

    sample_rate: int = 0
    """Of the bridge's audio, in Hz; 0: not known."""

    encoding: str = ""
    """Of the bridge's audio, as `call.started` names it; empty: not known."""

    @property
    def root(self) -> str:
        """Id of the first stream of the call: the id of the call itself."""
        return root_of(self.call_id)

    def role(self, channel: int) -> str:
        """Return the role of the party on a channel."""
        return self.roles[channel] if channel < len(self.roles) else "mixed"


@dataclass(frozen=True, slots=True)
class Changes:
    """New values of what the site adds to a call; None: unchanged."""

    agent: str | None = None
    notes: str | None = None
    tags: tuple[str, ...] | None = None
    legal_hold: bool | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """One of several consecutive streams of one call."""

    call_id: str
    """Id under which it is stored: `CALL`, `CALL~2`, `CALL~3`."""

    start: int
    """Start on the clock of the whole call, in samples."""

    duration: int
    started_at: float
    """Wall clock in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class StoredCard:
    """A card of a call.  `stream`: id of the stream that has it."""

    stream: str
    card: CardAdded


@dataclass(frozen=True, slots=True)
class Transcript:
    """A call with its segments in order of their start."""

    call: CallSummary
    segments: tuple[StoredSegment, ...]
    gaps: tuple[AudioGap, ...] = ()
    keyword_lists: tuple[KeywordsApplied, ...] = ()
    """Keyword lists of the call, by revision."""

    line_warnings: tuple[LineWarning, ...] = ()
    """Faults found in its audio."""

    pieces: tuple[Piece, ...] = ()
    """The streams of the call; empty if there was only one."""

    @classmethod
    def of(
        cls,
        call: CallSummary,
        segments: Iterable[StoredSegment],
        gaps: Iterable[AudioGap] = (),
        keyword_lists: Iterable[KeywordsApplied] = (),
        line_warnings: Iterable[LineWarning] = (),
    ) -> "Transcript":
        """Build a transcript from segments in any order."""
        ordered = sorted(
            segments, key=lambda one: (one.span.start, one.segment.channel, one.segment.number)
        )
        return cls(call, tuple(ordered), tuple(gaps), tuple(keyword_lists), tuple(line_warnings))

    def interrupted_before(self, place: int) -> tuple[Piece, ...]:
        """Return the streams that start between segment `place - 1` and segment `place` (or the end)."""
        after = self.segments[place - 1].span.start if place else -1
        rest = [one for one in self.pieces[1:] if one.start > after]
        if place < len(self.segments):
            rest = [one for one in rest if one.start <= self.segments[place].span.start]
        return tuple(rest)

    @property
    def spoken(self) -> tuple[StoredSegment, ...]:
        """The segments that have words."""
        return tuple(segment for segment in self.segments if segment.words)

    @property
    def keywords(self) -> frozenset[str]:
        """All keywords that were accepted or found."""
        asked = {term for one in self.keyword_lists for term in one.accepted}
        return frozenset(asked.union(*(one.keywords_found for one in self.segments)))

    def text_of(self, channel: int) -> str:
        """Return all words of one channel, joined by spaces."""
        return " ".join(one.text for one in self.spoken if one.segment.channel == channel)
