"""How much speech a worker gets done: a measurement, as a value."""

import math
from dataclasses import dataclass

_MEMORY = 30.0
"""Seconds of engine time after which a measurement counts for a third: some dozens of batches."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """
    Seconds of speech finished for each second that the engine worked, lately.

    Engine time is all of it, that of partials too; idle time is none.  Both sums fade with engine time, so long
    steps weigh more than short ones and a worker that rests forgets nothing.
    """

    speech: float = 0.0
    engine: float = 0.0

    def observe(self, speech: float, engine: float) -> "Throughput":
        """Take in a step of the engine that took `engine` seconds and finished `speech` seconds of audio."""
        left = math.exp(-engine / _MEMORY)
        return Throughput(self.speech * left + speech, self.engine * left + engine)

    @property
    def capacity(self) -> float | None:
        """Audio seconds per engine second; None before the first segment is finished."""
        return self.speech / self.engine if self.speech and self.engine else None
