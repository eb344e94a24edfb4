"""Throughput of a worker, as a value: seconds of speech per second of engine time."""

import math
from dataclasses import dataclass

_MEMORY = 30.0
"""Seconds of engine time after which the weight of a measurement has fallen to 1/e: some dozens of batches."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """
    Seconds of speech finished per second of engine time, exponentially averaged over recent engine time.

    Idle time does not count, nor do steps with partials only, because partials are left out when finals need the
    time.  Both sums decay with engine time, so long steps have more weight than short ones, and an idle worker
    keeps its measurement.
    """

    speech: float = 0.0
    engine: float = 0.0

    def observe(self, speech: float, engine: float) -> "Throughput":
        """Add a step of the engine that took `engine` seconds and finished `speech` seconds of audio."""
        left = math.exp(-engine / _MEMORY)
        return Throughput(self.speech * left + speech, self.engine * left + engine)

    @property
    def capacity(self) -> float | None:
        """Audio seconds per engine second; None before the first segment is finished."""
        return self.speech / self.engine if self.speech and self.engine else None
