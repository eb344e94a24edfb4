"""Waits for some segments of an engine that decodes several at a time (`ContinuousEngine`)."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from ..base import EngineError, Hypothesis

_Outcome = TypeVar("_Outcome")


def run_until_done(
    step: Callable[[], list[tuple[int, _Outcome]]], tickets: Sequence[int]
) -> tuple[list[_Outcome], list[tuple[int, _Outcome]]]:
    """
    Call `step` until all `tickets` have outcomes.

    Returns these in the order of `tickets`, and those of other segments that finished meanwhile.
    """
    found: dict[int, _Outcome] = {}
    others: list[tuple[int, _Outcome]] = []
    missing = set(tickets)
    while missing:
        for ticket, outcome in step():
            if ticket in missing:
                missing.discard(ticket)
                found[ticket] = outcome
            else:
                others.append((ticket, outcome))
    return [found[ticket] for ticket in tickets], others


def hypothesis_of(outcome: Hypothesis | EngineError) -> Hypothesis:
    """Return the hypothesis, or raise the error that stands for it."""
    if isinstance(outcome, EngineError):
        raise outcome
    return outcome
