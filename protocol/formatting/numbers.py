"""Shows one number, or several that belong together, as digits: amounts, times, dates, telephone numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import phonenumbers

from ..numbers.months import MONTHS
from .items import Item, Said
from .vocabulary import (
    CENTS,
    COUNTRIES,
    CURRENCIES,
    HOURS,
    ORDINALS,
    PERCENT,
    POINTS,
)


@dataclass(frozen=True, slots=True)
class Number:
    """One spoken number. `first` and `last`: its words, both included."""

    digits: str
    first: int
    last: int
    value: int


def numbers_in(said: Said) -> list[Number]:
    """The spoken numbers whose words are nothing else, and the single written digits."""
    found = []
    for atom in said.numbers:
        first, last = said.tokens[atom.first].word, said.tokens[atom.last].word
        if not _fills(said, atom.first, atom.last):
            continue
        if not atom.is_written or len(atom.digits) == 1:
            found.append(Number(atom.digits, first, last, int(atom.digits)))
    return found


def _fills(said: Said, first: int, last: int) -> bool:
    """Whether the tokens are all of their words, but for signs."""
    around = [
        token
        for place, token in enumerate(said.tokens)
        if token.word in (said.tokens[first].word, said.tokens[last].word)
        and not first <= place <= last
    ]
    return all(token.is_sign and token.text not in "/:@#%$€£" for token in around)


def groups(said: Said, numbers: Sequence[Number]) -> Iterator[list[Number]]:
    """Numbers that follow each other word by word, without a sign between them."""
    group: list[Number] = []
    for number in numbers:
        if group and (number.first != group[-1].last + 1 or said.is_closed(group[-1].last)):
            yield group
            group = []
        group.append(number)
    if group:
        yield group


def shown(said: Said, group: Sequence[Number]) -> list[Item]:
    """The items for numbers that follow each other; empty if they stay words."""
    for rule in (_date, _time, _fraction, _amount, _digits, _single):
        if items := rule(said, group):
            return items
    return []


def _item(said: Said, text: str, first: int, last: int) -> Item:
    return Item(text + said.sign(last), first, last)


def _date(said: Said, group: Sequence[Number]) -> list[Item]:
    """`March twelve nineteen eighty`, `zwoelf Maerz zweitausendzwanzig`: the numbers beside the name of a month."""
    first, last = group[0].first, group[-1].last
    day = group[0].value
    if said.word(first - 1) in MONTHS and said.language == "en" and 1 <= day <= 31:
        items = [_item(said, str(day), first, group[0].last)]
        return items + (shown(said, group[1:]) if len(group) > 1 else [])
    if said.word(last + 1) in MONTHS and len(group) == 1 and 1 <= day <= 31:
        return [_item(said, str(day), first, last)]
    return _year(said, group) if said.word(first - 1) in MONTHS else []


def _year(said: Said, group: Sequence[Number]) -> list[Item]:
    text = "".join(number.digits for number in group)
    return [_item(said, text, group[0].first, group[-1].last)] if len(text) == 4 else []


def _time(said: Said, group: Sequence[Number]) -> list[Item]:
    """`three thirty pm`; `fuenfzehn Uhr dreissig`."""
    last = group[-1].last
    hour = group[0].value
    half = said.word(last + 1)
    if said.language == "en" and half in ("am", "pm") and hour <= 12 and len(group) <= 3:
        minutes = "".join(number.digits for number in group[1:])
        if len(minutes) == 2 and int(minutes) < 60:
            return [_item(said, f"{hour}:{minutes}", group[0].first, last)]
        return [_item(said, str(hour), group[0].first, last)] if not minutes else []
    if len(group) == 1 and half == HOURS.get(said.language, "-") and hour <= 24:
        return [_item(said, str(hour), group[0].first, last)]
    return []


def _fraction(said: Said, group: Sequence[Number]) -> list[Item]:
    """The whole part before `point`, and the digits behind it; the formatter joins them."""
    point, _ = POINTS.get(said.language, ("", ""))
    if not point or point not in (said.word(group[-1].last + 1), said.word(group[0].first - 1)):
        return []
    text = "".join(number.digits for number in group)
    return [_item(said, text, group[0].first, group[-1].last)]


def _amount(said: Said, group: Sequence[Number]) -> list[Item]:
    """A number before a currency or `percent`, with those words."""
    text = "".join(number.digits for number in group)
    first, last = group[0].first, group[-1].last
    if sign := CURRENCIES.get(said.word(last + 1)):
        money = f"{sign}{text}" if said.language == "en" else f"{text} {sign}"
        return [_item(said, money, first, last + 1)]
    for phrase in PERCENT.get(said.language, ()):
        if tuple(said.word(last + 1 + place) for place in range(len(phrase))) == phrase:
            space = "" if said.language in ("en", "es", "it", "pt", "nl") else " "
            return [_item(said, f"{text}{space}%", first, last + len(phrase))]
    if said.word(last + 1) in CENTS:
        return [_item(said, text, first, last)]
    return []


def _digits(said: Said, group: Sequence[Number]) -> list[Item]:
    """Several numbers in a row: one string of digits; a telephone number is written as such."""
    if len(group) < 2:
        return []
    text = "".join(number.digits for number in group)
    return [_item(said, telephone(text, said.language) or text, group[0].first, group[-1].last)]


def telephone(digits: str, language: str) -> str:
    """`digits` as a telephone number of a country of the language; empty if they are none."""
    if not 8 <= len(digits) <= 15:
        return ""
    for country in COUNTRIES.get(language, ()):
        try:
            number = phonenumbers.parse(digits, country)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number_for_region(number, country):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    return ""


def _single(said: Said, group: Sequence[Number]) -> list[Item]:
    """One number: digits from 10 on, an English ordinal with its ending."""
    (number,) = group[:1]
    ordinal = ORDINALS.get(said.word(number.last + 1), 0)
    if (
        said.language == "en"
        and 20 <= number.value < 100
        and number.value % 10 == 0
        and 0 < ordinal < 10
    ):
        value = number.value + ordinal
        return [_item(said, f"{value}{_ending(value)}", number.first, number.last + 1)]
    if number.value < 10 and len(number.digits) == 1:
        return []
    return [_item(said, number.digits, number.first, number.last)]


def _ending(value: int) -> str:
    if value % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
