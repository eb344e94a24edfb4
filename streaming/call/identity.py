"""The identity and origin of a call."""

from dataclasses import dataclass

from protocol.calls.call import Role
from protocol.events import CallStarted


@dataclass(frozen=True, slots=True)
class CallIdentity:
    """The identity and origin of a call.  `started_at`: Unix seconds."""

    call_id: str
    log: str
    """Random id of the call's event log; results for another log are refused."""

    roles: tuple[Role, ...]
    dialect: str
    started_at: float
    metadata: tuple[tuple[str, str], ...] = ()
    """What the bridge said about the call: customer content, never logged."""

    sample_rate: int = 0
    """Sample rate of the bridge's audio in Hz; 0: not known."""

    encoding: str = ""
    """Encoding of the bridge's audio; empty: not known."""

    def started(self, language: str) -> CallStarted:
        """Return the first event of the call.  `language`: ISO 639."""
        return CallStarted(
            self.roles,
            language,
            self.dialect,
            self.started_at,
            self.metadata,
            self.sample_rate,
            self.encoding,
        )
