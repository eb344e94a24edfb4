"""Finds dates of which a number is a part: their ordinals, months, and the words between them."""

from collections.abc import Sequence

from ...numbers.months import BEFORE_YEAR, MONTHS
from ...numbers.ordinals import cardinal_of
from ...numbers.tokens import Token
from .spelled import Places

_BETWEEN = BEFORE_YEAR | {"the", "den", "der", "le", "el", "il", "o"}
"""Words between the parts of a date."""


def dates(tokens: Sequence[Token], numbers: Sequence[Places], language: str) -> list[Places]:
    """
    The dates in `tokens`: parts that follow each other.

    `numbers`: the numbers that may be parts of a date. Each is in a date of the result, perhaps alone. An ordinal
    or a month alone is no date.
    """
    parts = sorted({*numbers, *_named(tokens, numbers, language)})
    groups: list[list[Places]] = []
    for part in parts:
        if groups and _joins(tokens, groups[-1][-1][1], part[0]):
            groups[-1].append(part)
        else:
            groups.append([part])
    known = set(numbers)
    return [(group[0][0], group[-1][1]) for group in groups if len(group) > 1 or known & set(group)]


def _named(tokens: Sequence[Token], numbers: Sequence[Places], language: str) -> list[Places]:
    """The ordinals and months outside the numbers."""
    inside = {place for first, last in numbers for place in range(first, last + 1)}
    return [
        (place, place)
        for place, token in enumerate(tokens)
        if place not in inside and (token.text in MONTHS or cardinal_of(token.text, language))
    ]


def _joins(tokens: Sequence[Token], last: int, first: int) -> bool:
    return all(token.is_sign or token.text in _BETWEEN for token in tokens[last + 1 : first])
