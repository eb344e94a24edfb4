"""When decoding of a text stops."""

import pytest

from workers.engines.granite.text.stopping import (
    StoppingRule,
    StopReason,
    looping,
    most_tokens,
    stop_reason,
)

END = frozenset({0})


@pytest.mark.parametrize(
    ("tokens", "stop"),
    [
        ([5, 6], None),
        ([5, 6, 0], StopReason(StoppingRule.SAID, 2)),
        ([0], StopReason(StoppingRule.SAID, 0)),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], StopReason(StoppingRule.LENGTH, 20)),
        ([7, 8] + [5] * 15, StopReason(StoppingRule.LOOP, 3)),
        ([7, 8] + [5] * 14, None),  # fourteen times the same digit may be a card number
        ([9] + [5, 6] * 8, StopReason(StoppingRule.LOOP, 3)),
        ([9] + [1, 2, 3, 4] * 4, StopReason(StoppingRule.LOOP, 5)),
        ([4] + [1, 2, 3, 4] * 4, StopReason(StoppingRule.LOOP, 4)),  # the round that the eye would not see
    ],
)  # fmt: skip
def test_a_text_ends_when_the_model_says_so_or_must_stop(
    tokens: list[int], stop: StopReason | None
) -> None:
    assert stop_reason(tokens, END, most=20, cut_loops=True) == stop


@pytest.mark.parametrize(
    "speech",
    [[5] * 4, [5] * 11, [5, 6] * 4, [1, 2, 3] * 3, [1, 2, 3, 4, 5, 6] * 3],
    ids=["no-no-no-no", "eleven", "thank-you", "a-chorus", "twice-said-again"],
)
def test_what_people_repeat_is_not_a_loop(speech: list[int]) -> None:
    assert looping(speech) == 0


def test_loops_stay_when_they_are_wanted() -> None:
    assert stop_reason([5] * 15, END, most=20, cut_loops=False) is None


@pytest.mark.parametrize(("seconds", "most"), [(0.0, 16), (0.3, 19), (1.0, 24), (30.0, 256)])
def test_the_cap_grows_with_the_audio(seconds: float, most: int) -> None:
    assert most_tokens(round(seconds * 16_000)) == most
