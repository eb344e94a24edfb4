"""Percentiles, and service level objectives over them.  Pure."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from protocol.operator_error import OperatorError

_FORM = re.compile(
    r"\s*p(?P<share>\d{1,2}(?:\.\d+)?)\s+(?P<metric>[a-z]+)\s*<\s*(?P<limit>\d+(?:\.\d+)?)\s*(?P<unit>ms|s)\s*"
)
METRICS = ("lag", "final", "added", "partial")
"""What an objective may bound, all in milliseconds: see `Row`."""


class SloError(OperatorError):
    """The objective cannot be read.  The text says what one looks like."""


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie; nan if there are no values."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else math.nan


@dataclass(frozen=True, slots=True)
class Slo:
    """An objective: `share` (0 to 1) of the values of `metric` lie below `limit_ms`."""

    metric: str
    share: float
    limit_ms: float

    def value(self, measured: Mapping[str, Sequence[float]]) -> float:
        """Return the percentile of the metric, in milliseconds; nan if nothing was measured."""
        return percentile(measured.get(self.metric, ()), self.share)

    def is_met(self, measured: Mapping[str, Sequence[float]]) -> bool:
        """Return whether the objective is met; without any value it is not."""
        return self.value(measured) < self.limit_ms

    def __str__(self) -> str:
        return f"p{100 * self.share:g} {self.metric} < {self.limit_ms:g} ms"


def parse_slo(text: str) -> Slo:
    """Read an objective such as `p99 lag < 20 ms` or `p95 final < 1.5 s`.  Raises SloError."""
    found = _FORM.fullmatch(text)
    if not found or found["metric"] not in METRICS:
        raise SloError(
            f"--slo {text!r} is not an objective: write 'p99 lag < 20 ms' or 'p95 final < 1.5 s'"
            f" (one of {', '.join(METRICS)})"
        )
    limit = float(found["limit"]) * (1_000 if found["unit"] == "s" else 1)
    return Slo(found["metric"], float(found["share"]) / 100, limit)
