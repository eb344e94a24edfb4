"""The open segments of a call, and when the text of each is asked for.  Positions are samples of the call clock."""

from dataclasses import dataclass

from protocol.clock import from_ms
from protocol.events import LoadLevel, SegmentId

_PATIENCE = 4
"""Intervals to wait for an answer before asking again: a worker may have dropped it as stale."""


@dataclass(slots=True)
class _OpenSegment:
    start: int
    heard: int = 0
    looked: int = 0
    unanswered: bool = False


class PartialSchedule:
    """How far each open segment has been heard, and how far its text is known or asked for."""

    def __init__(self, partial_every_ms: int) -> None:
        self._every = from_ms(partial_every_ms)
        self._open: dict[SegmentId, _OpenSegment] = {}

    def begin(self, segment: SegmentId, start: int) -> None:
        """Speech begins."""
        self._open[segment] = _OpenSegment(start)

    def feed(self, segment: SegmentId, samples: int) -> int:
        """More of it is heard; where it began."""
        opened = self._open[segment]
        opened.heard += samples
        return opened.start

    def ask(self, segment: SegmentId, level: LoadLevel) -> bool:
        """Whether to ask for its text now.  Where answers are slow we ask less often, but do not give up."""
        opened = self._open[segment]
        apart = self._every * (1 if level is LoadLevel.NORMAL else 2)
        if opened.heard - opened.looked < apart * (_PATIENCE if opened.unanswered else 1):
            return False
        opened.looked, opened.unanswered = opened.heard, True
        return True

    def answered(self, segment: SegmentId) -> None:
        """A partial has come, perhaps too late."""
        if opened := self._open.get(segment):
            opened.unanswered = False

    def end(self, segment: SegmentId) -> int:
        """It is open no longer; up to where it was heard."""
        opened = self._open.pop(segment)
        return opened.start + opened.heard
