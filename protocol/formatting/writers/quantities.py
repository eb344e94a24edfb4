"""Writes quantities: whole numbers, decimals, millions, money, percent and units."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...numbers.lexicon import Phrase
from ..items import Item, Number, SegmentWords
from ..vocabulary import (
    CENTS,
    CENTS_JOINERS,
    CURRENCIES,
    GROUPING,
    MINUS,
    PERCENT,
    POINTS,
    SPACED_PERCENT,
    UNITS,
)

SIGNS = frozenset(CURRENCIES.values())
_LONGEST = 7
"""Digits of the longest whole number beside a unit."""

_YEARS = range(1_900, 2_100)
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as it is written. `first` and `last`: its words, both included."""

    text: str
    first: int
    last: int
    million: str = ""
    """The word for millions behind it, as it was said."""

    is_decimal: bool = False

    @property
    def whole(self) -> str:
        """The text with the word for millions."""
        return f"{self.text} {self.million}" if self.million else self.text


def quantity(said: SegmentWords, place: int) -> Item | None:
    """An amount, a percentage, a measure, a decimal or millions, beginning with the word at `place`."""
    found = read(said, place)
    if found is None or not said.language:
        return None
    behind = said.next(found.last)
    if behind > 0:
        for rule in (_money, _percent, _unit):
            if item := rule(said, found, behind):
                return item
    is_more = (
        found.million or found.is_decimal or said.cardinal(place) is None or found.text[0] == "-"
    )
    return said.item(found.whole, found.first, found.last) if is_more else None


def read(said: SegmentWords, place: int) -> Quantity | None:
    """The number that begins with the word at `place`, with sign, fraction and millions."""
    minus, start = "", place
    if said.word(place) == MINUS.get(said.language) and not said.is_closed(place):
        minus, start = "-", place + 1
    if (
        said.language == "en"
        and said.word(start) == "a"
        and said.word(start + 1) in ("hundred", "thousand")
    ):
        start += 1
    run = said.run(start)
    if not run or (any(one.is_fixed for one in run) and len(run) > 1):
        return None
    if place > 0 and said.words[place - 1] in SIGNS:
        return None
    text, last, million = _decimal(said, run)
    if text:
        return Quantity(minus + text, place, last, million, is_decimal=True)
    if len(run) == 1 and (million := _million(said, run[0])):
        return Quantity(minus + str(run[0].value // _MILLION), place, run[0].last, million)
    digits = "".join(one.digits for one in run)
    if len(digits) > _LONGEST:
        return None
    return Quantity(
        minus + (grouped(run[0], said.language) if len(run) == 1 else digits), place, run[-1].last
    )


def grouped(number: Number, language: str) -> str:
    """The digits of a spoken number, with a sign between thousands where people write one."""
    sign = GROUPING.get(language, "")
    least = 1_000 if language == "en" else 10_000
    is_year = language == "en" and number.value in _YEARS
    if number.is_fixed or number.digits != str(number.value) or number.value < least or is_year:
        return number.digits
    return f"{number.value:,}".replace(",", sign) if sign else number.digits


def _million(said: SegmentWords, number: Number) -> str:
    """The word for millions, if the number ends with it."""
    is_whole = number.first < number.last and number.value and number.value % _MILLION == 0
    return said.words[number.last].rstrip(".,;:!?…") if is_whole and not number.is_fixed else ""


def _decimal(said: SegmentWords, run: Sequence[Number]) -> tuple[str, int, str]:
    """Whole, point and fraction, the last word, and the word for millions; empty if there is no fraction."""
    word, sign = POINTS.get(said.language, ("", ""))
    text, last, million = "".join(one.digits for one in run), run[-1].last, ""
    parts = 1
    while (
        word
        and said.word(point := said.next(last)) == word
        and (more := said.run(said.next(point)))
    ):
        million = _million(said, more[0]) if len(more) == 1 else ""
        text += sign + (
            str(more[0].value // _MILLION) if million else "".join(one.digits for one in more)
        )
        last, parts = more[-1].last, parts + 1
        if sign == "," or million:
            break
    return (text, last, million) if parts > 1 else ("", last, "")


def _money(said: SegmentWords, found: Quantity, behind: int) -> Item | None:
    sign = CURRENCIES.get(said.word(behind))
    if not sign:
        return None
    text, last = found.text, behind
    if not found.million and not found.is_decimal and (cents := _cents(said, behind)):
        point = "." if said.language == "en" else ","
        text, last = f"{text}{point}{cents[0]:02}", cents[1]
    return said.item(_amount(said.language, sign, text, found.million), found.first, last)


def _amount(language: str, sign: str, text: str, million: str) -> str:
    number = f"{text} {million}" if million else text
    if language == "en":
        return f"{sign}{number}"
    return f"{sign} {number}" if language == "nl" or sign == "R$" else f"{number} {sign}"


def _cents(said: SegmentWords, currency: int) -> tuple[int, int] | None:
    """The cents behind the word for a currency, and their last word."""
    place = said.next(currency)
    joiners, is_named = CENTS_JOINERS.get(said.language, (frozenset[str](), True))
    is_joined = place > 0 and said.word(place) in joiners
    run = said.run(said.next(place) if is_joined else place) if place > 0 else []
    if len(run) != 1 or not 0 < run[0].value < 100 or run[0].is_fixed:
        return None
    behind = said.next(run[0].last)
    if behind > 0 and said.word(behind) in CENTS:
        return run[0].value, behind
    if (is_joined and is_named) or run[0].value < 10 or said.word(behind) in CURRENCIES:
        return None
    return run[0].value, run[0].last


def _percent(said: SegmentWords, found: Quantity, behind: int) -> Item | None:
    space = " " if said.language in SPACED_PERCENT else ""
    return _with(said, found, behind, ((one, "%") for one in PERCENT.get(said.language, ())), space)


def _unit(said: SegmentWords, found: Quantity, behind: int) -> Item | None:
    return _with(said, found, behind, UNITS.get(said.language, ()), " ")


def _with(
    said: SegmentWords,
    found: Quantity,
    behind: int,
    units: Iterable[tuple[Phrase, str]],
    space: str,
) -> Item | None:
    """The quantity with the symbol for the phrase behind it."""
    for phrase, symbol in units:
        if said.follows(behind, phrase):
            text = f"{found.whole}{space}{symbol}"
            return said.item(text, found.first, behind + len(phrase) - 1)
    if said.word(behind) in CENTS:
        return said.item(found.whole, found.first, found.last)
    return None
