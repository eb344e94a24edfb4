"""Which warnings of a bridge's messages and options stand in the log of its call.  Pure."""

from protocol.bridge_events import BridgeWarning, WarningCode
from protocol.events import CallWarning

_MOST = 32
"""Warnings in the log of one call; more are only counted."""


class BridgeWarnings:
    """Each kind of warning stands in the log once."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def note(self, warning: BridgeWarning) -> CallWarning | None:
        """What is to be logged; None when the log has it, or is full of others."""
        kind = _kind(warning.code, warning.message)
        if kind in self._known or len(self._known) >= _MOST:
            return None
        self._known.add(kind)
        return CallWarning(len(self._known) - 1, warning.code, warning.message)

    def recall(self, logged: CallWarning) -> None:
        """A warning that another gateway has logged."""
        self._known.add(_kind(logged.code, logged.message))


def _kind(code: str, message: str) -> str:
    """Bad messages are one kind, whatever is wrong with each: a bridge that sends one often sends many."""
    return code if code == WarningCode.BAD_MESSAGE else f"{code} {message}"
