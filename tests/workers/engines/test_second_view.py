"""The second view of a doubtful final: when it is taken, what it contains, and how two views are one decoder."""

from collections.abc import Sequence

import numpy as np
import pytest

from workers.engines.common.beam_search import Found, LogProbs
from workers.engines.moonshine.second_view import (
    BothViews,
    in_both_views,
    is_doubtful,
    with_noise_around,
)

LONGEST = 240_000


@pytest.mark.parametrize(
    ("words", "seconds", "expected"),
    [
        ([0.9, 0.49, 0.99], 2.0, True),
        ([0.4, 0.1], 2.0, True),
        ([0.9, 0.51], 2.0, False),
        ([], 2.0, False),
        ([0.9, 0.24, 0.99], 9.0, True),
        ([0.9, 0.4, 0.99], 9.0, False),
        ([0.1, 0.2, 0.99], 9.0, False),
        ([], 9.0, False),
    ],
)
def test_a_long_final_is_doubtful_only_by_one_very_improbable_word(
    words: list[float],
    seconds: float,
    expected: bool,
) -> None:
    assert is_doubtful(words, seconds) is expected


def test_the_same_noise_of_a_third_of_a_second_stands_around_the_samples() -> None:
    samples = np.linspace(-1, 1, 16_000, dtype=np.float32)

    view = with_noise_around(samples, LONGEST)

    assert np.array_equal(view[4_800:-4_800], samples)
    assert 0.0005 < np.std(view[:4_800]) < 0.002
    assert 0.0005 < np.std(view[-4_800:]) < 0.002
    assert np.array_equal(view, with_noise_around(samples, LONGEST))


@pytest.mark.parametrize(("samples", "length"), [(238_000, 240_000), (240_000, 240_000)])
def test_a_long_final_gets_only_as_much_noise_as_the_engine_can_take(
    samples: int, length: int
) -> None:
    assert len(with_noise_around(np.zeros(samples, dtype=np.float32), LONGEST)) == length


class Fixed:
    """A view that always gives the same probabilities to two tokens."""

    def __init__(self, *probabilities: float) -> None:
        self.row = np.log(np.array([probabilities], dtype=np.float32))
        self.kept = 0

    def begin(self, tokens: Sequence[int]) -> np.ndarray:
        return np.repeat(self.row, len(tokens), axis=0)

    def read(self, tokens: Sequence[int]) -> np.ndarray:
        return np.repeat(self.row, len(tokens), axis=0)

    def keep(self, tokens: int) -> None:
        self.kept = tokens

    def follow(self, tokens: Sequence[int], parents: Sequence[int]) -> np.ndarray:
        return np.repeat(self.row, len(parents), axis=0)


def test_a_token_that_one_view_rules_out_loses() -> None:
    """The means of log-probabilities: half-sure in both views is better than sure in one alone."""
    one, other = Fixed(0.6, 0.4), Fixed(0.01, 0.99)
    both = BothViews(one, other)

    assert both.begin([1]).argmax() == 1
    assert both.follow([1, 1], [0, 0])[:, 1] == pytest.approx((np.log(0.4) + np.log(0.99)) / 2)
    both.keep(3)
    assert (one.kept, other.kept) == (3, 3)


SAID, OTHER, STOP = range(3)


def text(token: int, probability: float, gained: float = 0.0) -> Found:
    """A text of one token, behind which the end is certain.  `gained`: of keywords."""
    said = float(np.log(probability))
    return Found((token,), (said,), 0.0, complete=True, score=said + gained)


def seen(token: int, probability: float) -> LogProbs:
    """What the second view tells of the token, and of the end."""
    rows = np.full((2, 3), 1e-9, dtype=np.float32)
    rows[0, token], rows[1, STOP] = probability, 1.0
    return np.log(rows)


def test_a_text_that_one_view_rules_out_loses() -> None:
    one = in_both_views(text(SAID, 0.6), seen(SAID, 0.01), STOP)
    other = in_both_views(text(OTHER, 0.4), seen(OTHER, 0.9), STOP)

    assert other.score > one.score
    assert np.exp(other.log_probs) == pytest.approx(np.sqrt(0.4 * 0.9))


def test_what_a_text_has_gained_by_its_keywords_counts_whole() -> None:
    plain = in_both_views(text(SAID, 0.6), seen(SAID, 0.5), STOP)
    leaned = in_both_views(text(SAID, 0.6, gained=2.0), seen(SAID, 0.5), STOP)

    assert leaned.score - plain.score == pytest.approx(2.0)
    assert leaned.log_probs == plain.log_probs
