"""Reads the morphemes of number words: `four thousand two hundred and two` is 4202, `nineteen ten` is 19, 10."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .lexicon import Kind, Lexicon, Morpheme

_Read = tuple[int, int]
"""A value, and the position after its last morpheme."""

_Rest = Callable[[int], _Read | None]
"""Reads a smaller number at a position."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One number as it was said. `first` and `last`: indices of its tokens, both included."""

    value: int
    first: int
    last: int
    parts: tuple[int, ...]
    """The values of its morphemes, for the other reading: `twenty two` as 20 and 2."""


class Reader:
    """Reads a stretch of morphemes that follow each other without other words."""

    def __init__(self, morphemes: Sequence[Morpheme], lexicon: Lexicon) -> None:
        self._morphemes = morphemes
        self._lexicon = lexicon

    def numbers(self) -> Iterator[Spoken]:
        """The numbers, in order. A joiner that joins nothing is left out."""
        at = 0
        while at < len(self._morphemes):
            if self._is_single_digit(at):
                one = self._morphemes[at]
                yield Spoken(one.value, one.token, one.token, (one.value,))
                at += 1
                continue
            read = self._millions(at)
            if read is None:
                at += 1
                continue
            value, after = read
            taken = self._morphemes[at:after]
            parts = tuple(one.value for one in taken if one.kind is not Kind.AND)
            yield Spoken(value, taken[0].token, taken[-1].token, parts)
            at = after

    def _is_single_digit(self, at: int) -> bool:
        """Whether a digit is followed by another one, or by nothing: the usual case, which needs no grammar."""
        return self._is(at, Kind.UNIT) and (
            at + 1 == len(self._morphemes) or self._is(at + 1, Kind.UNIT)
        )

    def _is(self, at: int, *kinds: Kind) -> bool:
        return at < len(self._morphemes) and self._morphemes[at].kind in kinds

    def _value(self, at: int) -> int:
        return self._morphemes[at].value

    def _millions(self, at: int) -> _Read | None:
        read = self._thousands(at)
        if read and 0 < read[0] < 1_000 and self._is(read[1], Kind.MILLION):
            return self._plus(read[0] * 1_000_000, read[1] + 1, self._thousands, 1_000_000)
        return read

    def _thousands(self, at: int) -> _Read | None:
        if self._is(at, Kind.THOUSAND):
            return self._plus(1_000, at + 1, self._hundreds, 1_000)
        read = self._hundreds(at)
        if read and 0 < read[0] < 1_000 and self._is(read[1], Kind.THOUSAND):
            return self._plus(read[0] * 1_000, read[1] + 1, self._hundreds, 1_000)
        return read

    def _hundreds(self, at: int) -> _Read | None:
        if self._is(at, Kind.HUNDREDS, Kind.HUNDRED):
            return self._plus(self._value(at), at + 1, self._small, 100)
        read = self._small(at)
        if read and 0 < read[0] < 100 and self._is(read[1], Kind.HUNDRED):
            return self._plus(read[0] * 100, read[1] + 1, self._small, 100)
        return read

    def _plus(self, base: int, at: int, rest: _Rest, below: int) -> _Read:
        """`base` and the number after it, if that is smaller than `below`."""
        for start in (at + 1, at) if self._is(at, Kind.AND) else (at,):
            read = rest(start)
            if read and 0 < read[0] < below and not self._is_digit_string(at, below):
                return base + read[0], read[1]
        return base, at

    def _is_digit_string(self, at: int, below: int) -> bool:
        """English: two digits behind `hundred` are digits of their own (`nine hundred one two` is 900, 1, 2)."""
        is_english = self._lexicon.language == "en" and below == 100
        return is_english and self._is(at, Kind.UNIT) and self._is(at + 1, Kind.UNIT)

    def _small(self, at: int) -> _Read | None:
        """A number below 100."""
        if self._lexicon.units_first and (read := self._unit_first(at)):
            return read
        if self._lexicon.scores and (read := self._score(at)):
            return read
        if self._is(at, Kind.TENS):
            return self._with_unit(at)
        if self._is(at, Kind.TEEN, Kind.UNIT, Kind.PAIR):
            return self._value(at), at + 1
        return None

    def _unit_first(self, at: int) -> _Read | None:
        """`zweiundvierzig`."""
        if self._is(at, Kind.UNIT) and self._is(at + 1, Kind.AND) and self._is(at + 2, Kind.TENS):
            return self._value(at) + self._value(at + 2), at + 3
        return None

    def _with_unit(self, at: int) -> _Read:
        tens, unit = self._value(at), at + 1
        if self._lexicon.units_first:
            return tens, unit
        if self._is(unit, Kind.AND):
            unit += 1
        elif self._lexicon.and_in_tens:
            return tens, unit
        if self._is(unit, Kind.UNIT) and self._value(unit) > 0 and self._may_join(unit):
            return tens + self._value(unit), unit + 1
        return tens, at + 1

    def _may_join(self, unit: int) -> bool:
        """Whether an `and` before the unit, if there is one, joins it to tens in this language."""
        spoken_and = self._is(unit - 1, Kind.AND)
        return not spoken_and or self._lexicon.and_in_tens or self._lexicon.scores

    def _score(self, at: int) -> _Read | None:
        """French: 17 to 19, 60 and 80 with a number below 20 after it."""
        if self._is(at, Kind.TEEN) and self._value(at) == 10:
            unit = self._is(at + 1, Kind.UNIT) and self._value(at + 1) in (7, 8, 9)
            return (10 + self._value(at + 1), at + 2) if unit else None
        if self._is(at, Kind.UNIT) and self._value(at) == 4 and self._is_score(at + 1):
            return self._below_twenty(80, at + 2)
        if self._is(at, Kind.TENS) and self._value(at) == 60:
            return self._below_twenty(60, at + 1)
        return None

    def _is_score(self, at: int) -> bool:
        return self._is(at, Kind.TENS) and self._value(at) == 20

    def _below_twenty(self, base: int, at: int) -> _Read:
        start = at + 1 if self._is(at, Kind.AND) else at
        if read := self._score(start) if self._is(start, Kind.TEEN) else None:
            return base + read[0], read[1]
        if self._is(start, Kind.TEEN, Kind.UNIT) and self._value(start) > 0:
            return base + self._value(start), start + 1
        return base, at
