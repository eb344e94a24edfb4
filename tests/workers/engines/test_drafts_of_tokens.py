"""The tokens that are guessed for a partial, from the draft and from what is written."""

import pytest

from workers.engines.common.drafts import continuation


@pytest.mark.parametrize(
    ("written", "draft", "guessed"),
    [
        ([1, 2], [1, 2, 3, 4], [3, 4]),
        ([7, 2], [1, 2, 3, 4], [3, 4]),
        ([1, 5, 2, 5], [1, 5, 3, 5, 4], [4]),
        ([1, 5], [1, 5, 3, 5, 4], [3, 5, 4]),
        ([1, 2], [], []),
        ([1, 2], [3, 1, 2], []),
        ([], [1, 2], []),
        ([1, 2, 3, 1, 2], [8, 9], [3, 1, 2]),
        ([1, 2, 3, 1, 2], [1, 2, 8], [8]),
    ],
    ids=[
        "the draft goes on",
        "the draft goes on behind another beginning",
        "of equally long matches the last",
        "the longest match, though a shorter one is later",
        "no draft",
        "the draft ends here too",
        "nothing is written",
        "a phrase is repeated",
        "the draft before a repetition",
    ],
)
def test_the_next_tokens_are_guessed_from_earlier_text(
    written: list[int], draft: list[int], guessed: list[int]
) -> None:
    assert [*continuation(written, draft, 8)] == guessed


def test_a_guess_has_a_limit() -> None:
    assert [*continuation([0], range(100), 3)] == [1, 2, 3]
