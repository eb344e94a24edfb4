"""Which call this gateway owns, as the heartbeat script identifies it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ownership:
    """The arguments that identify one owned call to the heartbeat script."""

    calls: str
    """Key of the set of calls in the call's partition."""

    meta: str
    log: str
    owner: str
    call_id: str
