"""Why a write of a call was refused."""


class LogLostError(Exception):
    """Redis has lost the call's event log: restore it and write everything again."""


class SupersededError(Exception):
    """A newer connection owns the call: stop writing it."""


class OverloadedError(Exception):
    """The workers are too far behind, or Redis too full, for a new call; calls in progress may continue."""


class GoingAwayError(SupersededError):
    """This gateway stops and gives up the call on purpose, for another gateway."""
