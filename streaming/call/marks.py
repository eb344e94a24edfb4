"""The marks of a call: a bridge asks when everything it has said so far will have been answered."""

from protocol.events import SegmentId


class Marks:
    """Answered in the order in which they came, each when all segments before it are settled."""

    def __init__(self) -> None:
        self.known = 0
        """How many answers stand in the log."""

        self._answered = 0
        self._waiting: list[tuple[str, frozenset[SegmentId]]] = []

    def apply(self) -> None:
        """An answer has come back from the log."""
        self.known += 1

    def recall(self) -> None:
        """An answer stands in the log that somebody else has written."""
        self.known += 1
        self._answered = self.known

    @property
    def waiting(self) -> tuple[str, ...]:
        """Those that have not been answered, in their order."""
        return tuple(name for name, _ in self._waiting)

    def ask(self, name: str, unsettled: frozenset[SegmentId]) -> None:
        """A mark has come while these segments were open or unsettled."""
        self._waiting.append((name, unsettled))

    def due(self, unsettled: frozenset[SegmentId]) -> list[tuple[int, str]]:
        """The marks that can be answered now, each with its number."""
        due = []
        while self._waiting and not self._waiting[0][1] & unsettled:
            name, _ = self._waiting.pop(0)
            due.append((self._answered, name))
            self._answered += 1
        return due
