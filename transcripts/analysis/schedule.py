"""Which calls are analysed next, and when a failed attempt is made again.  Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence

from .values import AnalysisJob

MOST_ATTEMPTS = 6

_PAUSES = (10.0, 60.0, 300.0, 1_800.0, 7_200.0)
"""Seconds before each further attempt: six within about two and a half hours."""


def choose(
    jobs: Sequence[AnalysisJob], begun: Mapping[str, int], room: int, hourly: int
) -> list[AnalysisJob]:
    """
    Return at most `room` jobs: one of each tenant in turn, the longest waiting of it first.

    `jobs`: the longest waiting first; `begun`: how many were begun in the last hour by tenant; `hourly`: most of
    one tenant.
    """
    taken = Counter(begun)
    turns: Counter[str] = Counter()
    ranked = []
    for place, one in enumerate(jobs):
        if taken[one.tenant] < hourly:
            ranked.append((turns[one.tenant], place, one))
            taken[one.tenant] += 1
            turns[one.tenant] += 1
    return [one for _, _, one in sorted(ranked, key=lambda rank: rank[:2])[:room]]


def pause_after(attempts: int, chance: float) -> float | None:
    """
    Return the seconds to wait after `attempts` failed attempts; None if there is no further attempt.

    `chance` (random, 0 to 1) makes a pause up to a fifth longer: calls that failed together are tried apart.
    """
    if attempts >= MOST_ATTEMPTS:
        return None
    return _PAUSES[attempts - 1] * (1 + 0.2 * chance)
