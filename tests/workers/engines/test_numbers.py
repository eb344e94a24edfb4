"""Digits of numbers that are read out; `bench/digits.py` counts over all recordings."""

import pytest

from bench.digits import digit_errors, digits_in, errors_of, read_numbers
from workers.engines.moonshine.engine import Moonshine

SOME = {"visa-pairs-agent.wav", "amex-customer.wav", "phone-uk-agent.wav", "order-zeros-agent.wav"}


def test_numbers_are_heard_digit_by_digit(moonshine: Moonshine) -> None:
    numbers = [number for number in read_numbers() if number.name in SOME]

    errors = errors_of(moonshine, numbers)

    assert errors.numbers == len(SOME)
    assert errors.wrong <= 1


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("Four two, 42-00 oh NINE.", "4242000" + "9"),
        ("Someone at 020-7946-0000", "02079460000"),
        ("Nothing", ""),
    ],
)
def test_digits_of_a_text(text: str, digits: str) -> None:
    assert digits_in(text) == digits


@pytest.mark.parametrize(
    ("said", "heard", "wrong"), [("123", "123", 0), ("123", "", 3), ("1234", "1245", 2)]
)
def test_digit_errors(said: str, heard: str, wrong: int) -> None:
    assert digit_errors(said, heard).wrong == wrong
