"""Tokens that an engine guesses from an earlier text of the same audio, to check several in one run.  Pure."""

from collections.abc import Sequence


def continuation(last: int, draft: Sequence[int], most: int) -> Sequence[int]:
    """Up to `most` tokens of `draft` behind the latest place where it has the token `last`; empty if it has not."""
    for place in range(len(draft) - 1, -1, -1):
        if draft[place] == last and place + 1 < len(draft):
            return draft[place + 1 : place + 1 + most]
    return ()
