"""
The tokens that may follow in a partial, guessed from earlier text.  Pure.

A run of the decoder over a few more tokens takes hardly longer than over one, so each token that is guessed rightly
saves a run.  The text of a partial never depends on a guess: the decoder checks each of them.
"""

from collections.abc import Sequence

_MOST = 8
"""Most tokens that are guessed at a time."""


def continuation(
    written: Sequence[int], draft: Sequence[int], otherwise: Sequence[int]
) -> Sequence[int]:
    """
    Guess the tokens after `written`.

    First from `draft`, the tokens of the partial before.  Then from `written` itself: at the end of unfinished
    speech the model often repeats a phrase, again and again, which took a run for each token.  Else `otherwise`.
    """
    for text in (draft, written):
        if found := _behind_longest_match(written, text):
            return found
    return otherwise


def _behind_longest_match(written: Sequence[int], text: Sequence[int]) -> Sequence[int]:
    """The tokens of `text` behind the longest end of `written` in it, of equal ones the last; empty without any."""
    longest, behind = 0, len(text)
    for place in range(len(text) - 2, -1, -1):
        length = _matching(written, text, place)
        if length > longest:
            longest, behind = length, place + 1
    return text[behind : behind + _MOST]


def _matching(written: Sequence[int], text: Sequence[int], place: int) -> int:
    """How many tokens of `text` up to `place` are the last of `written`."""
    length = 0
    while (
        length <= place and length < len(written) and text[place - length] == written[-1 - length]
    ):
        length += 1
    return length
