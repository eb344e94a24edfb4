"""Which call this gateway owns, as the heartbeat script identifies it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ownership:
    """A call that this gateway owns, as the heartbeat's script has to know it."""

    calls: str
    """Key of the set of calls of its partition."""

    meta: str
    log: str
    owner: str
    call_id: str
