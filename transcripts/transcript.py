"""A stored call as a value.  Positions are samples of the call clock."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from protocol.events import (
    AudioGap,
    ChannelTotals,
    KeywordsApplied,
    LineWarning,
    SegmentId,
    Span,
    Timing,
    Word,
)


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
    """Why there are no words, where the segment failed or was dropped."""

    language: str = ""
    keywords_revision: int = 0
    keywords_found: tuple[str, ...] = ()
    engine: str = ""
    flags: tuple[str, ...] = ()
    timing: Timing | None = None
    """Where the time of a final went, if that is known."""

    piece: str = ""
    """The id of the piece of the call that it stands in; empty for the first."""

    @property
    def text(self) -> str:
        """The words, joined."""
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class CallSummary:
    """A call without its words."""

    call_id: str
    roles: tuple[str, ...]
    language: str
    dialect: str
    started_at: float
    """Wall clock in seconds since 1970."""

    ended_reason: str = ""
    """Empty while the call goes on."""

    duration: int = 0
    channels: tuple[ChannelTotals, ...] = ()
    tenant: str = ""
    """Whose call it is, where an installation serves several; nobody sets it yet."""

    def role(self, channel: int) -> str:
        """Who is heard on a channel."""
        return self.roles[channel] if channel < len(self.roles) else "mixed"


@dataclass(frozen=True, slots=True)
class Piece:
    """One of several streams that came one behind the other under the id of one call."""

    call_id: str
    """Under which it is stored: `CALL`, `CALL~2`, `CALL~3`."""

    start: int
    """Where it begins on the clock of the whole call."""

    duration: int
    started_at: float
    """Wall clock in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """A call and all that was said in it, in the order in which it began."""

    call: CallSummary
    segments: tuple[StoredSegment, ...]
    gaps: tuple[AudioGap, ...] = ()
    keyword_lists: tuple[KeywordsApplied, ...] = ()
    """What the call was biased towards, by revision."""

    line_warnings: tuple[LineWarning, ...] = ()
    """What was wrong with its audio."""

    pieces: tuple[Piece, ...] = ()
    """The streams of a call that came in several; empty for one."""

    @classmethod
    def of(
        cls,
        call: CallSummary,
        segments: Iterable[StoredSegment],
        gaps: Iterable[AudioGap] = (),
        keyword_lists: Iterable[KeywordsApplied] = (),
        line_warnings: Iterable[LineWarning] = (),
    ) -> "Transcript":
        """Put together from segments in any order."""
        ordered = sorted(
            segments, key=lambda one: (one.span.start, one.segment.channel, one.segment.number)
        )
        return cls(call, tuple(ordered), tuple(gaps), tuple(keyword_lists), tuple(line_warnings))

    def interrupted_before(self, place: int) -> tuple[Piece, ...]:
        """The pieces that begin between the segment before `place` and the one there, or the end."""
        after = self.segments[place - 1].span.start if place else -1
        rest = [one for one in self.pieces[1:] if one.start > after]
        if place < len(self.segments):
            rest = [one for one in rest if one.start <= self.segments[place].span.start]
        return tuple(rest)

    @property
    def spoken(self) -> tuple[StoredSegment, ...]:
        """Segments that have words."""
        return tuple(segment for segment in self.segments if segment.words)

    @property
    def keywords(self) -> frozenset[str]:
        """Every keyword that was asked for or found."""
        asked = {term for one in self.keyword_lists for term in one.accepted}
        return frozenset(asked.union(*(one.keywords_found for one in self.segments)))

    def text_of(self, channel: int) -> str:
        """All words of one channel."""
        return " ".join(one.text for one in self.spoken if one.segment.channel == channel)
