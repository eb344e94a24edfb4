"""Decides when partials of open segments are requested.  Positions are samples of the call clock."""

from dataclasses import dataclass

from protocol.clock import from_ms
from protocol.events import LoadLevel, SegmentId

_PATIENCE = 4
"""Intervals to wait for an answer before the next request: a worker may have dropped the job as stale."""

_SHARE = 6
"""
The interval is at least the received audio divided by this number: a partial decodes the segment from its start.

Without it the cost of a segment grows with the square of its length.  `bench/partials.py` measures both.
"""


@dataclass(slots=True)
class _OpenSegment:
    start: int
    heard: int = 0
    looked: int = 0
    unanswered: bool = False


class PartialSchedule:
    """For each open segment: the audio received, and the audio for which a partial was requested."""

    def __init__(self, partial_every_ms: int) -> None:
        self._every = from_ms(partial_every_ms)
        self._open: dict[SegmentId, _OpenSegment] = {}

    def begin(self, segment: SegmentId, start: int) -> None:
        """Add a segment that begins at `start`."""
        self._open[segment] = _OpenSegment(start)

    def feed(self, segment: SegmentId, samples: int) -> int:
        """Add received audio of a segment.  Returns where the segment begins."""
        opened = self._open[segment]
        opened.heard += samples
        return opened.start

    def ask(self, segment: SegmentId, level: LoadLevel) -> bool:
        """
        Return whether to request a partial now.

        Requests are less frequent in long segments, under load, and while an answer is missing.
        """
        opened = self._open[segment]
        apart = max(self._every, opened.heard // _SHARE)
        apart *= 1 if level is LoadLevel.NORMAL else 2
        if opened.heard - opened.looked < apart * (_PATIENCE if opened.unanswered else 1):
            return False
        opened.looked, opened.unanswered = opened.heard, True
        return True

    def answered(self, segment: SegmentId) -> None:
        """Note a partial of a segment that may be closed already."""
        if opened := self._open.get(segment):
            opened.unanswered = False

    def end(self, segment: SegmentId) -> int:
        """Remove a segment.  Returns the position up to which its audio was received."""
        opened = self._open.pop(segment)
        return opened.start + opened.heard
