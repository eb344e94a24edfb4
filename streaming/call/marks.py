"""The marks of a call: with a mark, a bridge asks when all audio sent so far has been transcribed."""

from protocol.events import SegmentId

MOST_WAITING = 1_000
"""Marks of one call that may wait for their answers; each one is also in the call's checkpoint."""


class Marks:
    """Answers marks in order of arrival, each when all segments before it are settled."""

    def __init__(self) -> None:
        self.known = 0
        """Number of answers in the event log."""

        self._answered = 0
        self._waiting: list[tuple[str, frozenset[SegmentId]]] = []

    def apply(self) -> None:
        """Note an answer of this gateway that has been read back from the event log."""
        self.known += 1

    def recall(self) -> None:
        """Note an answer that another gateway has written to the event log."""
        self.known += 1
        self._answered = self.known

    @property
    def waiting(self) -> tuple[str, ...]:
        """Names of the marks that are not answered, in order."""
        return tuple(name for name, _ in self._waiting)

    def ask(self, name: str, unsettled: frozenset[SegmentId]) -> bool:
        """Add a mark that waits for the segments in `unsettled`.  Returns False if too many are waiting already."""
        if len(self._waiting) >= MOST_WAITING:
            return False
        self._waiting.append((name, unsettled))
        return True

    def due(self, unsettled: frozenset[SegmentId]) -> list[tuple[int, str]]:
        """Remove and return the marks that can be answered now, each with its number."""
        due = []
        while self._waiting and not self._waiting[0][1] & unsettled:
            name, _ = self._waiting.pop(0)
            due.append((self._answered, name))
            self._answered += 1
        return due
