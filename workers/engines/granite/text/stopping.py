"""Stopping rules: a text ends by an end token, at its greatest length for the audio, or in a repetition loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

TOKENS_PER_SECOND = 8
TOKENS_TO_SPARE = 16
"""Fast speech has about 5 tokens a second; numbers and names that are split into many tokens have more."""

LONGEST_UNIT = 16
LEAST_REPEATED = 12
"""Least length of a loop in tokens: `no no no no` and `thank you, thank you` are speech."""

MOST_REPEATED = 0.75
"""
Share of the longest allowed text that a loop must cover before decoding stops.

People read out `5555 5555 5555`, so repetition alone is not enough: the audio must be too short for it.  Shorter
loops are cut when the text is complete and the words are known: see `hallucination.without_loops`.
"""


class StoppingRule(Enum):
    """Why a text ended."""

    SAID = "said"
    LENGTH = "length_cut"
    LOOP = "loop_cut"


@dataclass(frozen=True, slots=True)
class StopReason:
    """The end of a text: the rule, and the number of tokens that are kept."""

    ending: StoppingRule
    kept: int


def most_tokens(samples: int, rate: int = 16_000) -> int:
    """The longest text for audio of `samples` samples at `rate` Hz, in tokens."""
    return -(-TOKENS_PER_SECOND * samples // rate) + TOKENS_TO_SPARE


def stop_reason(
    tokens: Sequence[int], end: frozenset[int], most: int, *, cut_loops: bool
) -> StopReason | None:
    """
    The reason why the last of `tokens` ends the text, or None.

    `end`: ids of end tokens, which are not kept; `most`: longest text in tokens.  Of a loop the first repetition is
    kept.
    """
    if tokens[-1] in end:
        return StopReason(StoppingRule.SAID, len(tokens) - 1)
    long_enough = len(tokens) >= MOST_REPEATED * most  # a shorter text cannot hold such a loop
    if cut_loops and long_enough and (unit := looping(tokens)):
        start = _loop_start(tokens, unit)
        if len(tokens) - start >= MOST_REPEATED * most:
            return StopReason(StoppingRule.LOOP, start + unit)
    if len(tokens) >= most:
        return StopReason(StoppingRule.LENGTH, len(tokens))
    return None


def looping(tokens: Sequence[int]) -> int:
    """Length of the unit repeated at the end of `tokens`: at least four times and over twelve tokens; else 0."""
    for unit in range(1, LONGEST_UNIT + 1):
        span = max(4 * unit, LEAST_REPEATED)
        if span > len(tokens):
            break
        if all(tokens[-place] == tokens[-place - unit] for place in range(1, span - unit + 1)):
            return unit
    return 0


def _loop_start(tokens: Sequence[int], unit: int) -> int:
    """The index at which the loop at the end of `tokens` begins; `unit`: its length in tokens."""
    start = len(tokens) - unit
    while start > 0 and tokens[start - 1] == tokens[start - 1 + unit]:
        start -= 1
    return start
