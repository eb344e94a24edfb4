"""Redaction of numbers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.events import Word
from protocol.redaction.client_redaction import Redact, redacted

PCI, NUMBERS, SSN = frozenset({Redact.PCI}), frozenset({Redact.NUMBERS}), frozenset({Redact.SSN})


def after(text: str, kinds: frozenset[Redact], *, growing: bool = False) -> str:
    words = [Word(word) for word in text.split()]
    return " ".join(word.text for word in redacted(words, kinds, growing=growing))


@pytest.mark.parametrize(
    ("kinds", "said", "left"),
    [
        (PCI, "my card is 4111 1111 1111 1111, thanks", "my card is [CREDIT_CARD] thanks"),
        (PCI, "it is 4111-1111-1111-1111.", "it is [CREDIT_CARD]"),
        (PCI, "four one one one, then four double two one", "[CREDIT_CARD] then [CREDIT_CARD]"),
        (PCI, "the security code is 123", "the security code is [CREDIT_CARD]"),
        (PCI, "it expires 09/27", "it expires [CREDIT_CARD]"),
        (PCI, "press 1 or 2 or twenty one", "press 1 or 2 or twenty one"),
        (NUMBERS, "ticket two hundred and five", "ticket [NUMBER]"),
        (NUMBERS, "room 12 on floor 3", "room 12 on floor 3"),
        (NUMBERS, "call 555 0100", "call [NUMBER]"),
        (SSN, "my number is 123-45-6789", "my number is [SSN]"),
        (SSN, "the last four of my social are six seven eight nine", "the last four of my social are [SSN]"),
        (SSN, "order 12345", "order 12345"),
        (SSN | NUMBERS, "123456789 or 12345", "[SSN] or [NUMBER]"),
        (frozenset(), "4111 1111 1111 1111", "4111 1111 1111 1111"),
    ],
)  # fmt: skip
def test_numbers_that_were_named_are_taken_out_and_others_stay(
    kinds: frozenset[Redact], said: str, left: str
) -> None:
    assert after(said, kinds) == left


def test_a_number_that_may_go_on_is_not_shown_while_it_grows() -> None:
    assert after("card number four", PCI, growing=True) == "card number [CREDIT_CARD]"
    assert after("card number four", PCI) == "card number four"
    assert after("press four now", PCI, growing=True) == "press four now"


def test_a_tag_keeps_the_times_and_the_lowest_confidence() -> None:
    words = [Word("My", 0, 80, 0.9), Word("4111", 80, 160, 0.8), Word("1111", 160, 320, 0.6)]

    assert redacted(words, PCI) == (Word("My", 0, 80, 0.9), Word("[CREDIT_CARD]", 80, 320, 0.6))


@given(st.text(alphabet="0123456789", min_size=12, max_size=19), st.data())
def test_no_digit_of_a_card_number_is_left_however_it_is_grouped(
    number: str, data: st.DataObject
) -> None:
    cuts = data.draw(st.sets(st.integers(1, len(number) - 1)))
    edges = [0, *sorted(cuts), len(number)]
    groups = [number[start:end] for start, end in pairwise(edges)]

    left = after("my card is " + " ".join(groups) + " thanks", PCI)

    assert not any(letter.isdigit() for letter in left)
