from itertools import pairwise

import numpy as np
import pytest

from workers.engines.moonshine.alignment import FRAME, LAYERS, best_path, token_boundaries


@pytest.mark.parametrize(
    ("drawn", "starts"),
    [
        (["##....", "..##..", "....##"], [0, 2, 4]),
        (["###...", "......", "...###"], [0, 2, 3]),  # without any hint a token gets one frame
        (["......", "......", "......"], [0, 4, 5]),
        (["....##", "##....", "......"], [0, 1, 2]),  # the order of the tokens is kept
    ],
)
def test_the_path_follows_the_attention_in_order(drawn: list[str], starts: list[int]) -> None:
    scores = np.array([[float(sign == "#") for sign in row] for row in drawn], dtype=np.float32)

    path = best_path(scores)

    assert path[0] == 0
    assert all(one < other for one, other in pairwise(path))
    assert _sum(scores, path) == _sum(scores, starts)


def test_boundaries_end_with_the_audio() -> None:
    attentions = [[np.full((8, 10), 0.1, dtype=np.float32)] * len(LAYERS)] * 3

    bounds = token_boundaries(attentions, 10 * FRAME - 100)

    assert bounds[0] == 0
    assert bounds[-1] == 10 * FRAME - 100
    assert (np.diff(bounds) > 0).all()


def test_more_tokens_than_frames_share_the_audio_evenly() -> None:
    attentions = [[np.full((8, 2), 0.5, dtype=np.float32)] * len(LAYERS)] * 4

    assert token_boundaries(attentions, 800) == [0, 200, 400, 600, 800]


def _sum(scores: np.ndarray, starts: list[int]) -> float:
    owner = np.searchsorted(starts, np.arange(scores.shape[1]), side="right") - 1
    return float(scores[owner, np.arange(scores.shape[1])].sum())
