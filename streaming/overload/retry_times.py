"""Tells refused clients when to try again, so that not all come back at the same moment.  Pure."""

import math

_PER_SECOND = 20.0
"""Refused clients that are told to come back in the same second: a refusal costs about a millisecond."""

_SOONEST = 1.0
_LATEST = 30.0


class RetryTimes:
    """Gives each refused client a moment of its own, the first one that is still free."""

    def __init__(self) -> None:
        self._free = 0.0

    def next(self, now: float) -> int:
        """
        Return after how many whole seconds the client may try again, 1 to 30.

        `now`: seconds of a monotonic clock.  Beyond 30 s moments are given out again: more clients per second come.
        """
        soonest = now + _SOONEST
        if not soonest <= self._free <= now + _LATEST:
            self._free = soonest
        wait = self._free - now
        self._free += 1 / _PER_SECOND
        return math.ceil(wait)
