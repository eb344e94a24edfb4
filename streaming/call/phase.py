"""The state of a call as a whole."""

from enum import Enum, auto


class Phase(Enum):
    """The state of a call; owned by `Call`."""

    LIVE = auto()
    ENDING = auto()
    """No more audio is accepted; terminal events are awaited."""

    ENDED = auto()
    """`call.ended` is in the ledger, to be written to the event log."""

    OVER = auto()
    """`call.ended` has been read back from the event log."""
