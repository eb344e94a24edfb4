"""Events of the call log from the output of an engine."""

import pytest

from workers.engines.base import Hypothesis
from workers.text.event_builder import stable_in


@pytest.mark.parametrize(
    ("flags", "stable"),
    [
        ((), 0),
        (("stable:0",), 0),
        (("loop_cut", "stable:12"), 12),
        (("stable:", "stable:-3", "stable:x", "unstable:4"), 0),  # no count is no promise
    ],
)
def test_an_engine_may_vouch_for_words(flags: tuple[str, ...], stable: int) -> None:
    assert stable_in(Hypothesis(flags=flags)) == stable
