"""Where a channel of a call begins, if another connection or gateway owned the call before."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from protocol.events import ChannelTotals, Span

from ...audio.sound_events import (
    SegmentClosed,
    SegmentGrew,
    SegmentOpened,
    SegmentPaused,
    SoundEvent,
)


@dataclass(frozen=True, slots=True)
class ChannelOrigin:
    """Where a channel begins: after 0 if another connection owned the call before.  Samples of the call clock."""

    position: int = 0
    segments: int = 0
    totals: ChannelTotals = field(default_factory=ChannelTotals)

    def place_all(self, events: Sequence[SoundEvent]) -> Sequence[SoundEvent]:
        """Convert events of a `ChannelSegmenter` to the segment numbers and the clock of the whole call."""
        if not self.position and not self.segments:
            return events
        return [self.place(event) for event in events]

    def place(self, event: SoundEvent) -> SoundEvent:
        """Convert one event."""
        number = event.number + self.segments
        match event:
            case SegmentOpened(start=start):
                return replace(event, number=number, start=start + self.position)
            case SegmentClosed(span=span) | SegmentPaused(span=span):
                span = Span(span.start + self.position, span.end + self.position)
                return replace(event, number=number, span=span)
            case SegmentGrew():
                return replace(event, number=number)
            case _:
                assert_never(event)
