"""Decides which warnings about a bridge's messages and options go into the event log of its call.  Pure."""

from protocol.bridge_events import BridgeWarning, WarningCode
from protocol.calls.call import CallConfig
from protocol.events import CallWarning
from protocol.numbers.languages import SUPPORTED

_MOST = 32
"""Most warnings in the event log of one call; further ones are only counted in the metrics."""


class BridgeWarnings:
    """Passes each kind of warning to the event log once."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def note(self, warning: BridgeWarning) -> CallWarning | None:
        """Return the event to log; None if the log has this kind of warning, or has reached the limit."""
        kind = _kind(warning.code, warning.message)
        if kind in self._known or len(self._known) >= _MOST:
            return None
        self._known.add(kind)
        return CallWarning(len(self._known) - 1, warning.code, warning.message)

    def recall(self, logged: CallWarning) -> None:
        """Note a warning that another gateway has logged."""
        self._known.add(_kind(logged.code, logged.message))


def redaction_warning(config: CallConfig) -> BridgeWarning | None:
    """Return a warning if number words of the written language are not known; None if all is well."""
    _, written = config.task
    if not config.redaction.kinds or written in SUPPORTED:
        return None
    message = f"number words in {written} are not known: only digits are redacted"
    return BridgeWarning(WarningCode.REDACTION_LIMITED, message)


def _kind(code: str, message: str) -> str:
    """All bad messages are one kind, whatever their error: a bridge that sends one often sends many."""
    return code if code == WarningCode.BAD_MESSAGE else f"{code} {message}"
