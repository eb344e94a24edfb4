"""Plans in which run of `VadBatcher` the audio of each channel is processed.  Pure."""

MOST_TOGETHER = 64
"""Channels of a run up to which others join it early: more save nothing, and block the event loop."""


class RunPlan:
    """
    Brings channels together: each run has a fixed cost, so few runs with many channels cost less.

    A channel joins a run before its last one if more channels wait for that.  As each keeps its period afterwards,
    channels that begin in different runs are together after a few periods.
    """

    def __init__(self) -> None:
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
        at, most = last, planned.get(last, 0)
        for earlier in range(last - patience // 2, last):
            if most < planned.get(earlier, 0) < MOST_TOGETHER:
                at, most = earlier, planned[earlier]
        planned[at] = planned.get(at, 0) + 1
        return at
