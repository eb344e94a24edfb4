"""
The state of a call in Redis whose gateway is gone or has released it: enough to continue or finish the call.

Pure: `call_store` reads it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from protocol.calls.call import CallConfig, Keywords
from protocol.clock import ENGINE_RATE
from protocol.events import (
    Account,
    AudioGap,
    ChannelTotals,
    Entry,
    KeywordsApplied,
    LineWarning,
    LogEntry,
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
    """The part of the segment that is in Redis."""

    audio: bytes = field(repr=False, default=b"")
    rate: int = ENGINE_RATE
    """Sample rate of the audio, in Hz."""

    job: bytes = b""
    """Job of its final, if it was queued."""

    settled: bool = False
    """Whether its terminal event exists, and only waits for its turn in the event log."""

    @property
    def is_lost(self) -> bool:
        """Whether Redis has nothing of it: neither audio nor a terminal event."""
        return not (self.audio or self.settled)


@dataclass(frozen=True, slots=True)
class RecoveredCall:
    """The state of a call when its ownership was taken.  Positions are samples of the call clock."""

    log: str
    checkpoint: Checkpoint
    entries: tuple[LogEntry, ...]
    unsettled_segments: tuple[UnsettledSegment, ...] = ()

    @property
    def readable(self) -> tuple[Entry, ...]:
        """The entries that this version can read."""
        return tuple(entry for entry in self.entries if isinstance(entry, Entry))

    @property
    def has_ended(self) -> bool:
        """Whether the event log ends with `call.ended`."""
        return bool(self.entries) and self.entries[-1].is_last

    @property
    def last_seq(self) -> int:
        """The seq of the last entry; 0 if the log is empty."""
        return (self.entries[-1].seq or 0) if self.entries else 0

    @property
    def config(self) -> CallConfig:
        """The configuration of the call, with the most recent keywords in the event log."""
        config = self.checkpoint.config
        for applied in self._of(KeywordsApplied):
            if applied.revision > config.keywords.revision:
                config = replace(config, keywords=Keywords(applied.accepted, applied.revision))
        return config

    @property
    def unanswered(self) -> tuple[str, ...]:
        """Names of the marks that are not answered."""
        answered = {mark.name for mark in self._of(MarkReached)}
        return tuple(name for name in self.checkpoint.marks if name not in answered)

    @property
    def warnings(self) -> tuple[LineWarning, ...]:
        """The logged warnings about the audio of channels."""
        return tuple(self._of(LineWarning))

    def opened(self, channel: int) -> int:
        """Return the number of segments that were opened on a channel, which is the number of the next one."""
        segments = {one.segment for one in self._of(SpeechStarted)}
        segments |= {entry.ends for entry in self.entries if entry.ends}
        return 1 + max((one.number for one in segments if one.channel == channel), default=-1)

    def heard(self, channel: int) -> int:
        """
        Return the position up to which a channel's audio is accounted for.

        Lost segments do not count: a bridge that reconnects sends their audio again.
        """
        told = self.checkpoint.heard
        gaps = [gap.span for gap in self._of(AudioGap) if gap.channel == channel]
        ends = [span.end for span in (*self._spoken(channel), *gaps)]
        return max([*told[channel : channel + 1], *ends], default=0)

    def totals(self, channel: int) -> ChannelTotals:
        """Return the accounts of a channel up to `heard`.  Samples not covered by any event count as silence."""
        gaps = [gap for gap in self._of(AudioGap) if gap.channel == channel]
        lost = {
            account: sum(gap.span.end - gap.span.start for gap in gaps if gap.account is account)
            for account in (Account.PAUSED, Account.LOST_UPSTREAM, Account.SHED)
        }
        dropped = [one.span for one in self._of(SegmentDropped) if one.segment.channel == channel]
        transcribed = _without(self._spoken(channel), gaps) - _without(dropped, gaps)
        lost[Account.SHED] += _without([*dropped, *self.lost_spans(channel).values()], gaps)
        silence = self.heard(channel) - transcribed - sum(lost.values())
        return ChannelTotals(transcribed, silence, *lost.values())

    def lost_spans(self, channel: int) -> dict[SegmentId, Span]:
        """
        Return the lost segments of a channel.

        The span of each is the part that a reconnecting bridge does not send again; it may be empty.
        """
        heard = self.heard(channel)
        return {
            one.segment: Span(min(one.span.start, heard), min(one.span.end, heard))
            for one in self.unsettled_segments
            if one.segment.channel == channel and one.is_lost
        }

    def _spoken(self, channel: int) -> list[Span]:
        ended = [
            entry.event.span
            for entry in self.readable
            if isinstance(entry.event, Terminal) and entry.event.segment.channel == channel
        ]
        return ended + [
            one.span
            for one in self.unsettled_segments
            if one.segment.channel == channel and not one.is_lost
        ]

    def _of(self, kind: type[_Event]) -> Iterator[_Event]:
        return (entry.event for entry in self.readable if isinstance(entry.event, kind))


def unended(entries: Sequence[LogEntry]) -> dict[SegmentId, int]:
    """Return the segments that have no terminal event in the log, and where each begins."""
    ended = {entry.ends for entry in entries}
    begun = {
        entry.event.segment: entry.event.start
        for entry in entries
        if isinstance(entry, Entry) and isinstance(entry.event, SpeechStarted)
    }
    return {segment: start for segment, start in begun.items() if segment not in ended}


def _without(spans: Sequence[Span], gaps: Sequence[AudioGap]) -> int:
    """Return the number of samples of `spans` that are in no gap."""
    return sum(span.end - span.start - sum(span.shared(gap.span) for gap in gaps) for span in spans)
