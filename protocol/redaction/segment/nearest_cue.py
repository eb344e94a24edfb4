"""Finds the cue that says what a number is: the nearest one, in one pass over the cues of a segment."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

from ...numbers.runs import Run
from ...numbers.tokens import Token
from .cues import Cue, Topic

_REACH_BACK = 30
"""Most words between a cue and a later number that it is about."""

_REACH_AHEAD = 7
"""Most words between a number and a later cue that is about it."""

_PLUS = frozenset({"+", "plus", "mas", "mais", "piu"})
_LONGEST_TELEPHONE = 15
"""Digits of the longest telephone number with its country code (ITU-T E.164)."""

_WEAK = (Topic.OTHER, Topic.OTHER_WEAK)


class NearestCue:
    """The cues of one segment."""

    def __init__(
        self, tokens: Sequence[Token], phrases: Sequence[Cue], found: Sequence[Run]
    ) -> None:
        """`phrases`: its cues outside numbers, in order; `found`: its numbers, in order."""
        self._tokens = tokens
        self._spoken = [0, *accumulate(not token.is_sign for token in tokens)]
        self._ends = [run.last + 1 for run in found]
        self._phrases = phrases
        self._starts = [cue.first for cue in phrases]
        self.named = [cue for cue in phrases if not self._is_unit(cue)]
        """The cues without units behind numbers: the dollars in `five dollars and 4738` say nothing of 4738."""

        self._named_ends = [cue.last for cue in self.named]
        self._strong: list[Cue | None] = [None]
        for cue in self.named:
            is_weak = cue.topic is Topic.OTHER_WEAK and self._strong[-1] is not None
            self._strong.append(self._strong[-1] if is_weak else cue)

    def of(self, run: Run) -> tuple[Topic | None, int]:
        """
        What a run is, and the words between it and the cue.

        That is a unit right behind it, else the last cue before it, else the next one. Something that may be paid
        by card does not count if another cue is before it.
        """
        place = bisect_right(self._starts, run.last)
        after = self._phrases[place] if place < len(self._phrases) else None
        ahead = self._between(run.last + 1, after.first) if after else _REACH_AHEAD + 1
        if after and after.topic in _WEAK and ahead == 0:
            return Topic.OTHER, 0
        before = self._strongest(bisect_left(self._named_ends, run.first))
        if before and (back := self._between(before.last + 1, run.first)) <= _REACH_BACK:
            return before.topic, back
        if after and ahead <= _REACH_AHEAD:
            return after.topic, ahead
        return (Topic.PHONE if self._is_international(run) else None), 0

    def _strongest(self, count: int) -> Cue | None:
        """The strongest of the first `count` named cues."""
        return self._strong[count]

    def _between(self, start: int, end: int) -> int:
        """Words, without signs, of the tokens from `start` up to `end`."""
        return self._spoken[max(start, end)] - self._spoken[start]

    def _is_unit(self, cue: Cue) -> bool:
        at = bisect_right(self._ends, cue.first)
        return cue.topic in _WEAK and at > 0 and self._between(self._ends[at - 1], cue.first) == 0

    def _is_international(self, run: Run) -> bool:
        """`plus 44 7700 900123`: a telephone number with its country."""
        has_plus = run.first > 0 and self._tokens[run.first - 1].text in _PLUS
        return has_plus and len(run.digits) <= _LONGEST_TELEPHONE


def strongest(named: Sequence[Cue]) -> Cue | None:
    """The last cue; a thing that may be paid by card does not count if another cue is before it."""
    strong = (cue for cue in reversed(named) if cue.topic is not Topic.OTHER_WEAK)
    return next(strong, named[-1] if named else None)
