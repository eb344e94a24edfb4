"""Digits of numbers that are read out; `bench/digits.py` counts over all recordings."""

import pytest

from bench.digits import (
    HUMAN,
    digit_errors,
    digits_in,
    errors_by_kind,
    errors_of,
    human_numbers,
    read_numbers,
)
from workers.engines.moonshine.engine import Moonshine

SOME = {"visa-pairs-agent.wav", "amex-customer.wav", "phone-uk-agent.wav", "order-zeros-agent.wav"}
SOME_HUMAN = {"amex-human", "phone-uk-human"}


def test_numbers_are_transcribed_digit_by_digit(moonshine: Moonshine) -> None:
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


def test_numbers_of_a_human_voice_hold_the_digits_that_they_name() -> None:
    spliced = human_numbers()

    assert {number.kind for number in spliced} == {"card", "telephone", "order", "IBAN", "date"}
    assert {number.voice for number in spliced} == {HUMAN}
    # A digit lasts 0.2 to 0.8 s: none is missing and none is empty.
    for number in spliced:
        assert 0.2 < len(number.samples) / 16_000 / len(number.digits) < 1.2, number.name


def test_a_number_of_a_human_voice_is_heard_digit_by_digit(moonshine: Moonshine) -> None:
    numbers = [number for number in human_numbers() if number.name in SOME_HUMAN]

    errors = errors_by_kind(moonshine, numbers)

    assert set(errors) == {("card", HUMAN), ("telephone", HUMAN)}
    assert sum(each.wrong for each in errors.values()) <= 1
