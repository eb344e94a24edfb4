"""
Whether a draft is worth verifying.

Verifying puts the draft's tokens behind the prompt, in a pass that is made anyway; each accepted token saves its
row one decode step.  A lone row saves a whole step; among many rows that step is shared, and the saving shrinks
while the cost does not.  Both are measured on the machine; nothing here is guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """What warm-up measured with `rows` segments at once, in seconds."""

    rows: int
    step: float
    """One decode step of all rows."""

    verify: float
    """What one more token behind each prompt adds to the prefill of all rows."""


def pays(cost: Cost, acceptance: float) -> bool:
    """Whether accepted drafts save more time than the rejected ones cost; `acceptance` from 0 to 1."""
    return acceptance * cost.step > cost.verify


class DraftLedger:
    """The measured costs, and how much of the drafts is accepted lately."""

    FORGETTING = 0.02
    """Weight of one segment: the last fifty or so count."""

    def __init__(self, acceptance: float = 0.5) -> None:
        self.acceptance = acceptance
        self._costs: tuple[Cost, ...] = ()

    def measured(self, costs: Sequence[Cost]) -> None:
        """Take in what warm-up found."""
        self._costs = tuple(sorted(costs, key=lambda cost: cost.rows))

    def settle(self, drafted: int, accepted: int) -> None:
        """Take in how one draft fared."""
        if drafted:
            self.acceptance += self.FORGETTING * (accepted / drafted - self.acceptance)

    @property
    def most_rows(self) -> int:
        """Up to so many rows a draft pays; 0 before anything has been measured."""
        most = 0
        for cost in self._costs:
            if not pays(cost, self.acceptance):
                break
            most = cost.rows
        return most
