"""How long readers of one call wait for its words.  For measurements: nothing is decided by it."""

from protocol.events import (
    Final,
    Partial,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    TranscriptEvent,
)


class LatencyTracker:
    """Pure: moments are seconds of a wall clock, given by the caller."""

    def __init__(self) -> None:
        self._asked: dict[SegmentId, float] = {}
        self._spoken: dict[SegmentId, float] = {}

    def asked(self, segment: SegmentId, now: float) -> None:
        """A partial was asked for; a question still open keeps its moment."""
        self._asked.setdefault(segment, now)

    def spoken(self, segment: SegmentId, when: float) -> None:
        """The segment is closed; its speech ended at `when`."""
        self._asked.pop(segment, None)
        self._spoken[segment] = when

    def stop(self, event: TranscriptEvent, now: float) -> float | None:
        """Seconds that `event` was waited for; None when it answers nothing, or nobody knows."""
        match event:
            case Partial(segment=segment):
                began = self._asked.pop(segment, None)
            case (
                Final(segment=segment)
                | SegmentFailed(segment=segment)
                | SegmentDropped(segment=segment)
            ):
                began = self._spoken.pop(segment, None)
            case _:
                return None
        return None if began is None else now - began
