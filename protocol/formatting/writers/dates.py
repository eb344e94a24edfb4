"""Writes dates: `march twelfth nineteen eighty four` is March 12, 1984."""

from ...numbers.months import MONTHS_OF
from ..items import Item, Number, SegmentWords
from .singles import ordinal_text

_LONGEST_YEAR = 3
"""Numbers that a year is said with: `nineteen oh five`."""

_CENTURIES = range(1_000, 2_200)
_UNSURE = frozenset({"may", "march"})
"""English months that are other words too."""


def date(said: SegmentWords, place: int) -> Item | None:
    """A day and month, a month and year, or all of them, beginning with the word at `place`."""
    if is_month(said, place):
        return _month_first(said, place)
    start = place + 1 if said.language == "nl" and said.word(place) == "de" else place
    number = _day_at(said, start)
    if number is None or _is_behind_number(said, place):
        return None
    if (start > place and not number.is_ordinal) or not _is_day(said, number):
        return None
    behind = said.next(number.last)
    links = _LINKS.get(said.language, ())
    month = said.next(behind) if behind > 0 and said.word(behind) in links else behind
    if month <= 0 or not is_month(said, month):
        return None
    link = f" {said.words[behind]} " if month > behind else " "
    return _with_year(said, place, _day(number, said, month > behind) + link, month)


_LINKS = {"en": ("of",), "es": ("de",), "pt": ("de",)}
"""The words between day and month, and month and year."""


def is_month(said: SegmentWords, place: int) -> bool:
    """Whether the word at `place` is the name of a month."""
    return said.word(place) in MONTHS_OF.get(said.language, ())


def _is_behind_number(said: SegmentWords, place: int) -> bool:
    """Whether another number ends right before the word at `place`."""
    if place == 0 or said.is_closed(place - 1):
        return False
    return place - 1 in said.ends or said.words[place - 1][0].isdigit()


def _day_at(said: SegmentWords, place: int) -> Number | None:
    """The number of a day: one number, or two digits (`one eight`)."""
    number, run = said.numbers.get(place), said.run(place, most=3)
    if len(run) == 2 and len(run[0].digits) == len(run[1].digits) == 1:
        digits = run[0].digits + run[1].digits
        number = Number(digits, place, run[1].last, int(digits))
    is_day = number is not None and len(number.digits) <= 2 and 1 <= number.value <= 31
    return number if is_day else None


def _is_day(said: SegmentWords, number: Number) -> bool:
    """Whether a day is written with this ordinal: some languages have only the first one."""
    return not number.is_ordinal or number.value == 1 or said.language in ("en", "de", "nl")


def _day(number: Number, said: SegmentWords, linked: bool) -> str:  # noqa: FBT001  # of one caller
    is_first = number.is_ordinal and number.value == 1
    match said.language:
        case "en":
            return ordinal_text(said, number) if number.is_ordinal or linked else str(number.value)
        case "de":
            return f"{number.value}."
        case "fr" | "it" | "pt" if is_first:
            return ordinal_text(said, number)
        case _:
            return str(number.value)


def _month_first(said: SegmentWords, place: int) -> Item | None:
    """English dates, and month and year in every language."""
    behind = said.next(place)
    number = _day_at(said, behind) if behind > 0 else None
    if said.language == "en" and number:
        year = _year(said, said.next(number.last), comma=number.last)
        is_sure = said.word(place) not in _UNSURE or number.is_ordinal or number.value > 9 or year
        if is_sure and not _is_year(said, behind):
            text = f"{_named(said, place)} {number.value}"
            if year:
                return said.item(f"{text}, {year[0]}", place, year[1])
            if number.is_ordinal and said.cardinal(said.next(number.last)):
                text = f"{_named(said, place)} {ordinal_text(said, number)}"
            return said.item(text, place, number.last)
    item = _with_year(said, place, "", place)
    return item if item and item.last > place else None


def _is_year(said: SegmentWords, place: int) -> bool:
    year = _year(said, place)
    return (
        year is not None
        and said.numbers[place].digits in ("19", "20")
        and not said.is_closed(place)
    )


def _with_year(said: SegmentWords, first: int, day: str, month: int) -> Item:
    name, behind = _named(said, month), said.next(month)
    link = behind > 0 and said.language in ("es", "pt") and said.word(behind) == "de"
    year = _year(said, said.next(behind) if link else behind)
    if year is None:
        return said.item(day + name, first, month)
    between = f" {said.words[behind]} " if link else " "
    return said.item(f"{day}{name}{between}{year[0]}", first, year[1])


def _year(said: SegmentWords, place: int, comma: int = -2) -> tuple[str, int] | None:
    """The year whose first word is at `place`, or behind a comma at the word `comma`, and its last word."""
    if place < 0 and comma >= 0 and said.sign(comma) == ",":
        place = comma + 1
    run = said.run(place, _LONGEST_YEAR) if place > 0 else []
    for count in range(len(run), 0, -1):
        text = "".join(one.digits for one in run[:count])
        if len(text) == 4 and int(text) in _CENTURIES:
            return text, run[count - 1].last
    return None


def _named(said: SegmentWords, place: int) -> str:
    """The month as it is written."""
    sign = said.sign(place)
    name = said.words[place].removesuffix(sign) if sign else said.words[place]
    return name[:1].upper() + name[1:] if said.language in ("en", "de") else name
