"""
Speculative decoding: whether verifying a draft saves time.

Verification appends the draft's tokens to the prompt, in a prefill that runs anyway.  Each accepted token saves its
row one decode step.  With a single row that saves a whole step; with many rows the step is shared, so the saving
shrinks but the cost does not.  Both are measured on the machine at warm-up.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Times measured at warm-up with `rows` segments at once, in seconds."""

    rows: int
    step: float
    """Duration of one decode step of all rows."""

    verify: float
    """Additional duration of the prefill of all rows for one more token after each prompt."""


def pays(cost: Cost, acceptance: float) -> bool:
    """Whether drafts save more time than they cost; `acceptance`: share of accepted tokens, 0 to 1."""
    return acceptance * cost.step > cost.verify


@dataclass(frozen=True, slots=True)
class TrustRule:
    """
    When a draft is accepted although greedy decoding might write another text (Saon et al., arXiv:2603.11243).

    The defaults are those of the paper; 3.0 and 0.1 are its fastest setting.
    """

    most_entropy: float = 0.7
    """In nats.  If no frame of the CTC posteriors exceeds it, the CTC text is the final: no language model runs."""

    least_probability: float = 0.2
    """Least probability that the language model must give to a token of a draft."""


class DraftLedger:
    """The measured costs, and the recent share of accepted draft tokens."""

    FORGETTING = 0.02
    """Weight of one segment in the average: about the last fifty count."""

    def __init__(self, acceptance: float = 0.5) -> None:
        self.acceptance = acceptance
        self._costs: tuple[Cost, ...] = ()

    def measured(self, costs: Sequence[Cost]) -> None:
        """Set the costs measured at warm-up."""
        self._costs = tuple(sorted(costs, key=lambda cost: cost.rows))

    def settle(self, drafted: int, accepted: int) -> None:
        """Add the result of one draft: its length, and the number of accepted tokens."""
        if drafted:
            self.acceptance += self.FORGETTING * (accepted / drafted - self.acceptance)

    @property
    def most_rows(self) -> int:
        """Largest number of rows at which drafts save time; 0 before the measurement."""
        most = 0
        for cost in self._costs:
            if not pays(cost, self.acceptance):
                break
            most = cost.rows
        return most
