"""Plans in which run of `VadBatcher` the audio of each channel is processed.  Pure."""

MOST_TOGETHER = 64
"""Channels of a run up to which others join it early: more save nothing, and block the event loop."""


_UNEVEN = 8
"""Channels by which an earlier run must have fewer: a channel that waits less is run more often."""


class RunPlan:
    """
    Brings channels together: each run has a fixed cost, so few runs with many channels cost less.

    A channel joins a run before its last one if more channels wait for that.  As each keeps its period afterwards,
    channels that begin in different runs are together after a few periods.

    Runs of the compiled step cost little by themselves.  There, many channels are spread: the event loop is not
    busy for long in one tick, to be idle in the next ones.
    """

    def __init__(self, *, spreads: bool = False) -> None:
        """`spreads`: whether channels are spread."""
        self._spreads = spreads
        self.run = 0
        """The number of the latest run."""

        self._planned: dict[int, int] = {}
        """How many channels were to be processed in each further run."""

    def advance(self) -> None:
        """The next run begins."""
        self.run += 1
        self._planned.pop(self.run, None)

    def choose(self, patience: int) -> int:
        """Return the number of the run for a channel with new audio, which may wait for `patience` runs."""
        planned, last = self._planned, self.run + patience
        earlier = range(last - patience // 2, last)
        at = self._emptiest(earlier, last) if self._spreads else self._fullest(earlier, last)
        planned[at] = planned.get(at, 0) + 1
        return at

    def _fullest(self, earlier: range, last: int) -> int:
        at, most = last, self._planned.get(last, 0)
        for run in earlier:
            if most < self._planned.get(run, 0) < MOST_TOGETHER:
                at, most = run, self._planned[run]
        return at

    def _emptiest(self, earlier: range, last: int) -> int:
        at, least = last, self._planned.get(last, 0) - _UNEVEN + 1
        for run in earlier:
            if self._planned.get(run, 0) < least:
                at, least = run, self._planned.get(run, 0)
        return at
