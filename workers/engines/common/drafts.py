"""
The tokens that may follow in a partial, guessed from earlier text.  Pure.

A run of the decoder over a few more tokens takes hardly longer than over one, so each token that is guessed rightly
saves a run.  The search checks each guess by what the decoder says.
"""

from collections.abc import Sequence


def continuation(written: Sequence[int], draft: Sequence[int], most: int) -> Sequence[int]:
    """
    Guess up to `most` tokens after `written`; empty without a guess.

    First from `draft`, the tokens of the partial before.  Then from `written` itself: at the end of unfinished
    speech a model often repeats a phrase again and again.
    """
    return _behind_longest_match(written, draft, most) or _behind_longest_match(
        written, written, most
    )


def _behind_longest_match(written: Sequence[int], text: Sequence[int], most: int) -> Sequence[int]:
    """The tokens of `text` behind the longest end of `written` in it, of equal ones the last; empty without any."""
    longest, behind = 0, len(text)
    for place in range(len(text) - 2, -1, -1):
        length = _matching(written, text, place)
        if length > longest:
            longest, behind = length, place + 1
    return text[behind : behind + most]


def _matching(written: Sequence[int], text: Sequence[int], place: int) -> int:
    """How many tokens of `text` up to `place` are the last of `written`."""
    length = 0
    while length <= min(place, len(written) - 1) and text[place - length] == written[-1 - length]:
        length += 1
    return length
