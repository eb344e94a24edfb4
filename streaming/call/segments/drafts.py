"""
Drafts of open segments: the jobs of finals that are queued in a pause, before it is known that the segment ends.

Pure.  A draft counts only for a final whose job is the same: a segment that goes on gets another job.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from protocol.events import SegmentId


class DraftOutcome(StrEnum):
    """What became of a draft."""

    USED = "used"
    """It became the final when its segment ended."""

    LATE = "late"
    """It was not done when its segment ended, or the redaction of the call had moved on."""

    WITHDRAWN = "withdrawn"
    """Speech went on, or the final needed another job."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft that was queued.  `at`: Unix seconds; `job`: as it was encoded."""

    at: float
    job: bytes = field(repr=False)


class Drafts:
    """The latest draft of each open segment."""

    def __init__(self) -> None:
        self._asked: dict[SegmentId, Draft] = {}
        self._withdrawn = 0

    def ask(self, segment: SegmentId, draft: Draft) -> None:
        """A draft of an open segment is queued."""
        self.go_on(segment)
        self._asked[segment] = draft

    def go_on(self, segment: SegmentId) -> None:
        """Speech goes on in the segment: its draft is of no use."""
        if self._asked.pop(segment, None):
            self._withdrawn += 1

    def end(self, segment: SegmentId) -> Draft | None:
        """The segment ends.  Returns its draft, if no speech came after it."""
        return self._asked.pop(segment, None)

    def refuse(self) -> None:
        """A draft that `end` returned does not fit its final."""
        self._withdrawn += 1

    def take_withdrawn(self) -> int:
        """Return how many drafts were withdrawn since the last call."""
        count, self._withdrawn = self._withdrawn, 0
        return count
