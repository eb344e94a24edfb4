"""Writes numbers that nothing else belongs to: digits from 10 on, and ordinals."""

from ..items import Item, Number, SegmentWords
from .quantities import grouped

_LEAST = 10


def single(said: SegmentWords, place: int) -> Item | None:
    """A number from 10 on as digits."""
    number = said.numbers.get(place)
    if number is None or number.is_fixed:
        return None
    if number.is_ordinal:
        text = ordinal_text(said, number) if number.value >= _LEAST else ""
    else:
        is_small = number.value < _LEAST and len(number.digits) == 1
        text = "" if is_small else grouped(number, said.language)
    return said.item(text, number.first, number.last) if text else None


def ordinal_text(said: SegmentWords, number: Number) -> str:
    """An ordinal with the ending that its language writes."""
    is_feminine = said.word(number.last).endswith("a")
    match said.language:
        case "en":
            return f"{number.value}{_english(number.value)}"
        case "fr":
            first = "re" if said.word(number.last).endswith("e") else "er"
            return f"{number.value}{first if number.value == 1 else 'e'}"
        case "it":
            return f"{number.value}{'ª' if is_feminine else 'º'}"
        case "es" | "pt":
            return f"{number.value}.{'ª' if is_feminine else 'º'}"
        case "nl":
            return f"{number.value}e"
        case _:
            return f"{number.value}."


def _english(value: int) -> str:
    if value % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
