"""How long listeners of one call wait for text.  For metrics only: no decision depends on it."""

from protocol.events import (
    Final,
    Partial,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    TranscriptEvent,
)


class LatencyTracker:
    """Measures the latency of partials and finals.  Pure: the caller passes times as Unix seconds."""

    def __init__(self) -> None:
        self._asked: dict[SegmentId, float] = {}
        self._spoken: dict[SegmentId, float] = {}

    def asked(self, segment: SegmentId, now: float) -> None:
        """A partial was requested.  An earlier request without an answer keeps its time."""
        self._asked.setdefault(segment, now)

    def spoken(self, segment: SegmentId, when: float) -> None:
        """The segment is closed; its speech ended at `when`, in Unix seconds."""
        self._asked.pop(segment, None)
        self._spoken[segment] = when

    def stop(self, event: TranscriptEvent, now: float) -> float | None:
        """Return the latency of `event` in seconds; None if it answers no request or the time is unknown."""
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
