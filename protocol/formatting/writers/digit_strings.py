"""Writes digits that are said in a row: telephone numbers, card-like groups, and other strings of digits."""

from collections.abc import Sequence
from itertools import pairwise

import phonenumbers

from ...redaction.segment.card_numbers import is_card_number
from ..items import Item, Number, SegmentWords
from ..vocabulary import COUNTRIES, PLUS, WITH_ZERO

_SHORTEST, _LONGEST = 8, 15
"""Digits of telephone numbers, with the country code."""

_SINGLES = 4
"""Fewest digits that are one string although a comma stands behind each."""

_AMEX = 15


def digit_string(said: SegmentWords, place: int) -> Item | None:
    """The digits from the word at `place` on, as one string."""
    if abroad := _international(said, place):
        return abroad
    if listed := _listed(said, place):
        return listed
    run = said.run(place)
    if not run:
        return None
    return (
        _known(said, run)
        or (_known(said, run[:1]) if run[0].is_fixed else None)
        or _joined(said, run)
    )


def _known(said: SegmentWords, run: Sequence[Number]) -> Item | None:
    """A card or telephone number, in its groups."""
    digits = "".join(one.digits for one in run)
    is_string = len(run) > 1 or run[0].is_fixed
    text = _grouped_card(digits) or telephone(digits, said.language) if is_string else ""
    return said.item(text, run[0].first, run[-1].last) if text else None


def _joined(said: SegmentWords, run: Sequence[Number]) -> Item | None:
    """The digits up to a group that the engine wrote."""
    count = next((at for at, one in enumerate(run) if one.is_fixed), len(run))
    if count == 0 and "-" in said.words[run[0].first]:
        return None
    if count < 2 and not _is_spelled(said, run[0]):
        return None
    part = run[: max(1, count)]
    return said.item("".join(one.digits for one in part), part[0].first, part[-1].last)


def _is_spelled(said: SegmentWords, number: Number) -> bool:
    """`1-2-3-4` as one word."""
    return (
        not number.is_fixed
        and number.first == number.last
        and "-" in said.words[number.first]
        and len(number.digits) * 2 - 1 <= len(said.words[number.first])
    )


def _listed(said: SegmentWords, place: int) -> Item | None:
    """`one, two, three, four`: single digits, each with a comma behind it."""
    found: list[Number] = []
    while (
        (number := said.cardinal(place)) and len(number.digits) == 1 and number.first == number.last
    ):
        found.append(number)
        if said.sign(number.last) != ",":
            break
        place = number.last + 1
    if len(found) < _SINGLES:
        return None
    return said.item("".join(one.digits for one in found), found[0].first, found[-1].last)


def _international(said: SegmentWords, place: int) -> Item | None:
    """`plus forty nine ...`, or `+49` and the rest."""
    code = said.words[place][1:] if said.words[place][0] == "+" else ""
    is_spoken = said.word(place) == PLUS.get(said.language) and not said.is_closed(place)
    run = said.run(place + 1) if is_spoken or code.isdigit() else []
    digits = code + "".join(one.digits for one in run)
    if not _SHORTEST <= len(digits) <= _LONGEST:
        return None
    try:
        number = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return None
    if not run or not phonenumbers.is_valid_number(number):
        return None
    text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return said.item(text, place, run[-1].last)


def telephone(digits: str, language: str) -> str:
    """`digits` as a telephone number of a country of the language; empty if they are none."""
    if not _SHORTEST <= len(digits) <= _LONGEST:
        return ""
    for country in COUNTRIES.get(language, ()):
        if country in WITH_ZERO and digits[0] != "0":
            continue
        try:
            number = phonenumbers.parse(digits, country)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number_for_region(number, country):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    return ""


def load_countries() -> None:
    """Load the tables of telephone numbers: up to 4 ms for each country, which the first finals would wait for."""
    for country in {country for countries in COUNTRIES.values() for country in countries}:
        if example := phonenumbers.example_number(country):
            phonenumbers.is_valid_number(example)
        abroad = phonenumbers.PhoneNumber(phonenumbers.country_code_for_region(country), 1)
        phonenumbers.is_valid_number(abroad)  # looks in all regions that share the country code


def _grouped_card(digits: str) -> str:
    """The digits of a card number in the groups that are printed on cards; empty if they are none."""
    if not is_card_number(digits):
        return ""
    cuts = (0, 4, 10, 15) if len(digits) == _AMEX else (*range(0, len(digits), 4), len(digits))
    return " ".join(digits[start:end] for start, end in pairwise(cuts))
