"""The verdict of the exactness benches: a text may differ from the reference's only at a near-tie."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

tiny_granite = pytest.importorskip("support.tiny_granite")
torch = tiny_granite.torch

from bench.near_ties import Answer, Comparison, Distance, scored  # noqa: E402 - needs the optional extra
from workers.engines.base import Utterance  # noqa: E402

CLIP = Utterance(np.zeros(16_000, np.float32))
STOP = 4


class Fixed:
    """A reference with the same logits before each token; multiplied by `scale` they are those of transformers."""

    scale = 2.0
    stops = (STOP,)

    def __init__(self, row: Sequence[float]) -> None:
        self._row = torch.tensor(row)

    def logits(self, one: Utterance, tokens: Sequence[int]) -> Any:
        return self._row.repeat(len(tokens) + 1, 1)


def said(reference: Any, *tokens: int, error: float = 0.0) -> Answer:
    """A text with log-probabilities that are wrong by `error` logits."""
    exact = scored(reference, CLIP, tokens)
    return Answer(exact.tokens, tuple(one + error / Fixed.scale for one in exact.log_probs))


@pytest.mark.parametrize(("error", "passed"), [(0.04, False), (0.06, True)])
def test_another_token_is_explained_by_differences_of_half_its_gap(
    error: float, passed: bool
) -> None:
    # given: the reference prefers token 0 to token 1 by 0.1 logits
    reference: Any = Fixed([1.0, 0.9, 0.0, 0.0, -3.0])
    result, expected = Comparison(), Answer((0, 0), ())

    # when: an equal text shows differences of `error` logits, and another one has token 1
    result.add(0, CLIP, said(reference, 0, 0, error=error), expected, reference)
    result.add(1, CLIP, said(reference, 0, 1), expected, reference)

    # then
    assert (result.equal, result.others[0].case, result.others[0].at) == (1, 1, 1)
    assert result.others[0].gap == pytest.approx(0.1, abs=1e-5)
    assert result.difference == pytest.approx(error, abs=1e-5)
    assert result.passed is passed
    assert ("NOT a near-tie" in result.text()) is not passed


def test_a_text_that_ends_early_is_compared_with_the_end() -> None:
    reference: Any = Fixed([1.0, 0.9, 0.0, 0.0, -3.0])
    result = Comparison()

    result.add(0, CLIP, said(reference, 0), Answer((0, 0), ()), reference)

    assert (result.others[0].at, result.passed) == (1, False)
    assert result.others[0].gap == pytest.approx(4.0)


def test_the_distance_is_the_root_mean_square_in_logits() -> None:
    reference: Any = Fixed([1.0, 0.9, 0.0, 0.0, -3.0])
    distance = Distance(reference)

    distance.add(CLIP, said(reference, 0, 1, error=0.3))
    distance.add(CLIP, said(reference, 0, 1, error=-0.1))
    distance.add(CLIP, Answer((), ()))

    assert float(str(distance)) == pytest.approx(np.sqrt((0.3**2 + 0.1**2) / 2), abs=1e-5)
