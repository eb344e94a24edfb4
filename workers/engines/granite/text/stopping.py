"""When a text is finished: the model said so, the audio cannot hold more, or it goes round in circles."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

TOKENS_PER_SECOND = 8
TOKENS_TO_SPARE = 16
"""Fast speech has about 5 tokens a second; numbers and names that fall apart into pieces have more."""

LONGEST_UNIT = 16
LEAST_REPEATED = 12
"""Tokens that a loop covers before it is one: `no no no no` and `thank you, thank you` are speech."""

MOST_REPEATED = 0.75
"""
Share of the longest text that a loop must cover to end it.

People read out `5555 5555 5555`: that it comes round again is not enough, the audio must not be able to hold it.
Shorter loops are looked at when the text is whole, with what is known of its words: see `guards.without_loops`.
"""


class StoppingRule(Enum):
    """Why a text ended."""

    SAID = "said"
    LENGTH = "length_cut"
    LOOP = "loop_cut"


@dataclass(frozen=True, slots=True)
class StopReason:
    """The end of a text: why, and how many of its tokens stand."""

    ending: StoppingRule
    kept: int


def most_tokens(samples: int, rate: int = 16_000) -> int:
    """The longest text that so much audio can hold, in tokens."""
    return -(-TOKENS_PER_SECOND * samples // rate) + TOKENS_TO_SPARE


def stop_reason(
    tokens: Sequence[int], end: frozenset[int], most: int, *, cut_loops: bool
) -> StopReason | None:
    """
    Whether the last of `tokens` ended the text.

    The token that says so is not kept; of a loop the first round stays.
    """
    if tokens[-1] in end:
        return StopReason(StoppingRule.SAID, len(tokens) - 1)
    if cut_loops and (unit := looping(tokens)):
        start = _loop_start(tokens, unit)
        if len(tokens) - start >= MOST_REPEATED * most:
            return StopReason(StoppingRule.LOOP, start + unit)
    if len(tokens) >= most:
        return StopReason(StoppingRule.LENGTH, len(tokens))
    return None


def looping(tokens: Sequence[int]) -> int:
    """Length of the unit that the end of `tokens` repeats, or 0: at least four rounds and twelve tokens."""
    for unit in range(1, LONGEST_UNIT + 1):
        span = max(4 * unit, LEAST_REPEATED)
        if span > len(tokens):
            break
        if all(tokens[-place] == tokens[-place - unit] for place in range(1, span - unit + 1)):
            return unit
    return 0


def _loop_start(tokens: Sequence[int], unit: int) -> int:
    """Where the first round of the loop at the end of `tokens` begins."""
    start = len(tokens) - unit
    while start > 0 and tokens[start - 1] == tokens[start - 1 + unit]:
        start -= 1
    return start
