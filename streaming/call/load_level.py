"""The load level of one call, which controls how often partials are requested."""

from protocol.events import LoadChanged, LoadLevel


class CallLoadLevel:
    """The level, and how often it has changed: each change is one event."""

    def __init__(self) -> None:
        self.level = LoadLevel.NORMAL
        self._reason = ""
        self._changes = 0

    def change(self, level: LoadLevel, reason: str) -> LoadChanged | None:
        """Set the level, and why if it is not overload.  Returns the event to log; None without a change."""
        if (level, reason) == (self.level, self._reason):
            return None
        changed = LoadChanged(self._changes, level, reason)
        self.recall(changed)
        return changed

    def recall(self, changed: LoadChanged) -> None:
        """Take the level from an event in the log."""
        self._changes, self.level, self._reason = changed.number + 1, changed.level, changed.reason
