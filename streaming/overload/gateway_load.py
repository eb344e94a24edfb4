"""
What this gateway can still take: new calls are refused before those in progress suffer, then partials are left out.

Pure.  The first follows from the CPU time of the event loop's thread, which nears a whole core while frames are
still on time; the second follows from the delay of the event loop.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

from protocol.events import LoadLevel

from .load_shedding import LoadShedder

OBSERVATIONS_PER_SECOND = 4
"""How often the load is observed."""

_LAG_THRESHOLDS = {
    LoadLevel.FEWER_PARTIALS: 0.5,
    LoadLevel.NO_PARTIALS: 1.0,
    LoadLevel.NO_NEW_CALLS: 2.0,
}
"""Mean delay of the event loop in seconds at which each level is entered; heartbeats stop only much later."""

_CALM = 2 * OBSERVATIONS_PER_SECOND
"""Low observations before a level is left: two seconds."""

_SATURATED = 0.9
_OWN_DELAY = 5.0
"""
Above this share of a core the delay is the gateway's own doing, and counts this many times: leaving out work helps
against it, but not against other programs that take the core.
"""

_ELASTIC_LAG = 0.03
"""
Mean delay in seconds up to which calls are admitted while recordings are played: these wait for their turn and use
the CPU time that is left, so that the CPU time says nothing.
"""

_SUBSTANTIAL = 0.4
"""Share of a core from which waiting for it counts."""

_LONGER = 10 * OBSERVATIONS_PER_SECOND
"""Observations over which the load of a call is averaged."""

_SETTLING = 3 * OBSERVATIONS_PER_SECOND
"""Observations after which the cost of a new call is in the measured CPU time."""

_FIRST_COST = 0.015
_LEAST_COST = 0.001
"""Share of a core for a call as long as it was never measured, and the least that is assumed."""

_REPRESENTATIVE = 10
"""Calls in progress from which their mean cost is learned, and from which waiting for the core counts."""


@dataclass(frozen=True, slots=True)
class LoopSample:
    """
    A quarter of a second of the event loop.

    `lag`: mean delay in seconds; `used`: share of a core, 0 to 1; `waited`: share of the time in which it was ready
    to run but other programs had its core.
    """

    lag: float
    used: float
    waited: float = 0.0


class GatewayLoad:
    """
    Whether there is room for a new call, and the load level that follows from the event loop.

    Slow start: a call counts with its expected cost from the moment when it is admitted, because measured CPU time
    shows it only seconds later.
    """

    def __init__(self, limit: float) -> None:
        """`limit`: share of a core up to which calls are admitted; 1 or more: no limit."""
        self._limit = limit
        self._load = LoadShedder(_LAG_THRESHOLDS, _CALM)
        self._samples: deque[LoopSample] = deque(maxlen=_LONGER)
        self._calls: deque[int] = deque(maxlen=_LONGER)
        self._admitted: deque[int] = deque([0], maxlen=_SETTLING)
        self._cost = _FIRST_COST
        self._plays_recordings = False

    @property
    def level(self) -> LoadLevel:
        """The load level."""
        return self._load.level

    @property
    def busy(self) -> float:
        """
        Share of the last second in which the event loop had work, 0 to 1.

        On a core of its own that is its CPU time.  Where it shares its core, waiting for it counts as well, but
        only for a gateway that uses much of it or has many calls: an idle one on a busy machine is not full.
        """
        return self._busy(self._last_second)

    def _busy(self, samples: Collection[LoopSample]) -> float:
        count = max(1, len(samples))
        used = sum(one.used for one in samples) / count
        waited = sum(one.waited for one in samples) / count
        has_many = bool(self._calls) and self._calls[-1] >= _REPRESENTATIVE
        return min(1.0, used + waited) if has_many or used >= _SUBSTANTIAL else used

    @property
    def expected(self) -> float:
        """
        The share for the calls in progress, with those that were admitted too lately to show in it.

        A quiet second is no room: the mean of ten seconds counts as well, for the present number of calls.
        """
        mean = sum(self._calls) / max(1, len(self._calls))
        steady = self._busy(self._samples) / mean * self._calls[-1] if mean >= 1 else 0.0
        return max(self.busy, steady) + self._cost * self._unmeasured

    @property
    def has_room(self) -> bool:
        """Whether one more call fits under the limit.  Without calls it does: the load is that of the start."""
        if self._limit >= 1 or self._is_empty:
            return True
        if self._plays_recordings:
            return self._lag < _ELASTIC_LAG and self._cost * self._unmeasured <= self._limit
        return self.expected + self._cost <= self._limit

    @property
    def _unmeasured(self) -> int:
        """
        The calls that were admitted too lately to show in the CPU time, without those that have ended already.

        A call of the last half second may not be in progress yet: its bridge has not sent the first message.
        """
        in_progress = self._calls[-1] if self._calls else 0
        return min(sum(self._admitted), in_progress + sum(islice(reversed(self._admitted), 2)))

    @property
    def _is_empty(self) -> bool:
        """Whether there are no calls to protect."""
        return not (self._calls and self._calls[-1]) and not self._unmeasured

    @property
    def _lag(self) -> float:
        return sum(one.lag for one in self._last_second) / OBSERVATIONS_PER_SECOND

    @property
    def _last_second(self) -> list[LoopSample]:
        return list(self._samples)[-OBSERVATIONS_PER_SECOND:]

    def admit(self) -> bool:
        """Return whether there is room for a new call; if so, count it."""
        if not self.has_room:
            return False
        self._admitted[-1] += 1
        return True

    def observe(self, sample: LoopSample, calls: int, *, plays_recordings: bool = False) -> bool:
        """
        Take a sample; `calls`: number of calls in progress.  Returns whether the level has changed.

        The mean of a second counts: leaving out work would not shorten a single stall.  `plays_recordings`: some of
        the calls are recordings, which take the CPU time that is left.
        """
        self._samples.append(sample)
        self._calls.append(calls)
        self._plays_recordings = plays_recordings
        self._admitted.append(0)
        if calls >= _REPRESENTATIVE and not plays_recordings and not sum(self._admitted):
            self._cost = max(_LEAST_COST, self.busy / calls)
        own = _OWN_DELAY if self.busy >= _SATURATED else 1.0
        # never 0: unlike a queue, a loop is never known to be empty
        return self._load.observe(max(own * self._lag, 1e-9))
