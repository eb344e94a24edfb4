"""The tokens that are guessed from an earlier text."""

import pytest

from workers.engines.common.drafts import continuation


@pytest.mark.parametrize(
    ("last", "draft", "expected"),
    [
        (5, [1, 5, 6, 7, 8], [6, 7]),  # no more than asked for
        (5, [5, 6, 5, 9], [9]),  # behind the latest place
        (5, [5, 6, 5], [6, 5]),  # the end of the draft has nothing behind it
        (4, [5, 6], []),
        (5, [], []),
    ],
)
def test_what_stands_behind_the_latest_token_is_guessed(
    last: int, draft: list[int], expected: list[int]
) -> None:
    assert list(continuation(last, draft, 2)) == expected
