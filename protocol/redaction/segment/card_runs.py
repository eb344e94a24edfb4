"""What a run has of a card number: a whole one, the beginning of one, groups of four."""

from ...numbers.runs import Run
from .card_numbers import LONGEST, SHORTEST, is_card_number, may_begin

_MOST_DIGITS = 200
"""Digits of a run that are searched for card numbers."""


def has_card(run: Run) -> bool:
    """Whether it contains a card number: length, issuer range and check digit fit in one of its readings."""
    if len(run.digits) + sum(bool(atom.other) for atom in run.atoms) < SHORTEST:
        return False
    return any(map(is_card_number, run.readings())) or _has_window(run)


def _has_window(run: Run) -> bool:
    """Whether some of its numbers in a row are a card number: an expiry date may follow without a pause."""
    digits, edges = run.digits[:_MOST_DIGITS], [0]
    for atom in run.atoms:
        edges.append(edges[-1] + len(atom.digits))
        if edges[-1] > len(digits):
            break
    return any(
        is_card_number(digits[start:end])
        for place, start in enumerate(edges)
        for end in edges[place + 1 : place + 1 + LONGEST]
        if SHORTEST <= end - start <= LONGEST and end <= len(digits)
    )


def begins_card(run: Run) -> bool:
    """
    Whether a card number may begin with its digits.

    True also if they are uncertain (`two thousand and twenty eight thousand`).
    """
    return may_begin(run.digits[:6]) or (run.atoms[0].value or 0) >= 100


def in_fours(run: Run) -> bool:
    """Whether all groups have four digits, the last at most four. Single digits in a row are one group."""
    groups, former = list[int](), None
    for atom in run.atoms:
        size = len(atom.digits)
        if former and size == 1 and len(former.digits) == 1 and former.last + 1 == atom.first:
            groups[-1] += 1
        else:
            groups.append(size)
        former = atom
    return all(size == 4 for size in groups[:-1]) and groups[-1] <= 4 and not run.has_weak
