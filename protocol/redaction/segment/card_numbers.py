"""
Card numbers: check digit and issuer ranges.

ISO/IEC 7812 gives the check digit (Luhn) and the lengths; the ranges are those that the card schemes publish.
"""

SHORTEST, LONGEST = 13, 19

_RANGES: tuple[tuple[str, str, frozenset[int]], ...] = (
    ("34", "34", frozenset({15})),  # American Express
    ("37", "37", frozenset({15})),
    ("4", "4", frozenset({13, 16, 18, 19})),  # Visa
    ("51", "55", frozenset({16})),  # Mastercard
    ("2221", "2720", frozenset({16})),
    ("2200", "2205", frozenset(range(16, 20))),  # Mir, Verve
    ("300", "305", frozenset(range(14, 20))),  # Diners Club
    ("3095", "3095", frozenset(range(14, 20))),
    ("36", "36", frozenset(range(14, 20))),
    ("38", "39", frozenset(range(14, 20))),
    ("3528", "3589", frozenset(range(16, 20))),  # JCB
    ("50", "50", frozenset(range(13, 20))),  # Maestro, Elo, Verve
    ("56", "58", frozenset(range(13, 20))),
    ("60", "69", frozenset(range(13, 20))),  # Maestro, Discover, UnionPay, RuPay, InterPayment
    ("81", "82", frozenset(range(16, 20))),  # UnionPay, RuPay
    ("9792", "9792", frozenset({16})),  # Troy
    ("1", "1", frozenset({15})),  # UATP
)


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (Luhn, ISO/IEC 7812-1 annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def check_digit(digits: str) -> str:
    """The digit that makes `digits` and it pass the check."""
    return next(one for one in "0123456789" if passes_luhn(digits + one))


def is_issued(digits: str) -> bool:
    """Whether a card of this length exists with this beginning."""
    return any(
        low <= digits[: len(low)] <= high and len(digits) in lengths
        for low, high, lengths in _RANGES
    )


def may_begin(digits: str) -> bool:
    """Whether a card number, other than a rare one that begins with 1, may begin with `digits`."""
    return any(
        low[: len(digits)] <= digits[: len(low)] <= high[: len(digits)]
        for low, high, _ in _RANGES[:-1]
    )


def is_card_number(digits: str) -> bool:
    """Whether `digits` are a card number: length, issuer range and check digit fit."""
    return SHORTEST <= len(digits) <= LONGEST and is_issued(digits) and passes_luhn(digits)
