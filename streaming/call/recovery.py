"""
What Redis has of a call whose gateway is gone or has let go of it: enough to continue or to finish it.

Pure: `queue.py` fetches it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from protocol.call import CallConfig, Keywords
from protocol.events import (
    Account,
    AudioGap,
    CallEnded,
    ChannelTotals,
    Entry,
    KeywordsApplied,
    LineWarning,
    MarkReached,
    SegmentDropped,
    SegmentId,
    Span,
    SpeechStarted,
    Terminal,
)

from .checkpoint import Checkpoint

_Event = TypeVar("_Event")


@dataclass(frozen=True, slots=True)
class UnsettledSegment:
    """A segment that has no terminal event in the log."""

    segment: SegmentId
    span: Span
    """What of it is in Redis."""

    audio: bytes = field(repr=False, default=b"")
    job: bytes = b""
    """The job of its final, if it was queued."""

    settled: bool = False
    """Its terminal event is there, and waits for its turn in the log."""


@dataclass(frozen=True, slots=True)
class RecoveredCall:
    """Everything of a call up to the moment in which it was taken."""

    log: str
    checkpoint: Checkpoint
    entries: tuple[Entry, ...]
    unsettled_segments: tuple[UnsettledSegment, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether the last word of the log is there."""
        return bool(self.entries) and isinstance(self.entries[-1].event, CallEnded)

    @property
    def last_seq(self) -> int:
        """The seq of the last entry, 0 for none."""
        return (self.entries[-1].seq or 0) if self.entries else 0

    @property
    def config(self) -> CallConfig:
        """How the call is to be transcribed: its keywords are the last ones in the log."""
        config = self.checkpoint.config
        for applied in self._of(KeywordsApplied):
            if applied.revision > config.keywords.revision:
                config = replace(config, keywords=Keywords(applied.accepted, applied.revision))
        return config

    @property
    def unanswered(self) -> tuple[str, ...]:
        """Marks that the bridge waits for."""
        answered = {mark.name for mark in self._of(MarkReached)}
        return tuple(name for name in self.checkpoint.marks if name not in answered)

    @property
    def warnings(self) -> tuple[LineWarning, ...]:
        """What has been said of the lines."""
        return tuple(self._of(LineWarning))

    def opened(self, channel: int) -> int:
        """How many segments the channel has had."""
        return sum(one.segment.channel == channel for one in self._of(SpeechStarted))

    def heard(self, channel: int) -> int:
        """Where the channel stands: behind it nothing is known."""
        told = self.checkpoint.heard
        gaps = [gap.span for gap in self._of(AudioGap) if gap.channel == channel]
        ends = [span.end for span in (*self._spoken(channel), *gaps)]
        return max([*told[channel : channel + 1], *ends], default=0)

    def totals(self, channel: int) -> ChannelTotals:
        """The account of the channel up to `heard`.  What nobody can tell any more counts as silence."""
        gaps = [gap for gap in self._of(AudioGap) if gap.channel == channel]
        lost = {
            account: sum(gap.span.end - gap.span.start for gap in gaps if gap.account is account)
            for account in (Account.PAUSED, Account.LOST_UPSTREAM, Account.SHED)
        }
        dropped = [one.span for one in self._of(SegmentDropped) if one.segment.channel == channel]
        shed = _without(dropped, gaps)
        lost[Account.SHED] += shed
        transcribed = _without(self._spoken(channel), gaps) - shed
        silence = self.heard(channel) - transcribed - sum(lost.values())
        return ChannelTotals(transcribed, silence, *lost.values())

    def _spoken(self, channel: int) -> list[Span]:
        ended = [
            entry.event.span
            for entry in self.entries
            if isinstance(entry.event, Terminal) and entry.event.segment.channel == channel
        ]
        return ended + [
            one.span for one in self.unsettled_segments if one.segment.channel == channel
        ]

    def _of(self, kind: type[_Event]) -> Iterator[_Event]:
        return (entry.event for entry in self.entries if isinstance(entry.event, kind))


def unended(entries: Sequence[Entry]) -> dict[SegmentId, int]:
    """Segments that have no terminal event in the log, and where each begins."""
    ended = {entry.event.segment for entry in entries if isinstance(entry.event, Terminal)}
    begun = {
        entry.event.segment: entry.event.start
        for entry in entries
        if isinstance(entry.event, SpeechStarted)
    }
    return {segment: start for segment, start in begun.items() if segment not in ended}


def _without(spans: Sequence[Span], gaps: Sequence[AudioGap]) -> int:
    """Samples of all spans that lie in no gap."""
    return sum(
        span.end - span.start - sum(_shared(span, gap.span) for gap in gaps) for span in spans
    )


def _shared(one: Span, other: Span) -> int:
    """Samples that lie in both."""
    return max(0, min(one.end, other.end) - max(one.start, other.start))
