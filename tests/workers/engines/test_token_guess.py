import pytest

from workers.engines.moonshine.token_guess import continuation

STOP = (99,)


@pytest.mark.parametrize(
    ("written", "draft", "guessed"),
    [
        ([1, 2], [1, 2, 3, 4], [3, 4]),
        ([7, 2], [1, 2, 3, 4], [3, 4]),
        ([1, 5, 2, 5], [1, 5, 3, 5, 4], [4]),
        ([1, 5], [1, 5, 3, 5, 4], [3, 5, 4]),
        ([1, 2], [], STOP),
        ([1, 2], [3, 1, 2], STOP),
        ([1, 2, 3, 1, 2], [8, 9], [3, 1, 2]),
        ([1, 2, 3, 1, 2], [1, 2, 8], [8]),
    ],
    ids=[
        "the draft goes on",
        "the draft goes on behind another beginning",
        "of equally long matches the last",
        "the longest match, though a shorter one is later",
        "without a draft, a stop",
        "the draft ends here too",
        "a phrase is repeated",
        "the draft before a repetition",
    ],
)
def test_the_next_tokens_are_guessed_from_earlier_text(
    written: list[int], draft: list[int], guessed: list[int] | tuple[int, ...]
) -> None:
    assert [*continuation(written, draft, STOP)] == [*guessed]


def test_a_guess_is_short() -> None:
    assert [*continuation([0], range(100), STOP)] == [1, 2, 3, 4, 5, 6, 7, 8]
