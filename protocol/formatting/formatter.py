"""Formats the words of a segment. Pure; formatting what was formatted changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..events import Final, Word
from .addresses import address
from .clock_times import clock_time
from .codes import accounts, code
from .dates import date
from .digit_strings import digit_string
from .items import Item, Said
from .quantities import quantity
from .singles import single

_RULES = (address, code, date, clock_time, quantity, digit_string, single)
"""In this order, the first rule that knows what begins at a word decides."""


def formatted(final: Final) -> Final:
    """The final with its words formatted; what was said is in `lexical`. The redactions name the new words."""
    lexical = final.lexical or final.words
    items = format_words(lexical, final.language)
    place_of = {
        place: at for at, item in enumerate(items) for place in range(item.first, item.last + 1)
    }
    words = tuple(_word(item, lexical) for item in items)
    redactions = tuple(
        replace(one, place=place_of.get(one.place, one.place)) for one in final.redactions
    )
    return replace(final, words=words, lexical=lexical, redactions=redactions)


def unformatted(final: Final) -> Final:
    """The final as it was before `formatted`."""
    if not final.lexical:
        return final
    items = format_words(final.lexical, final.language)
    redactions = tuple(replace(one, place=items[one.place].first) for one in final.redactions)
    return replace(final, words=final.lexical, lexical=(), redactions=redactions)


def format_words(words: Sequence[Word], language: str) -> list[Item]:
    """The items that are shown for `words`. Together they stand for all words, in order."""
    return list(_items(Said.of(words, language)))


def _items(said: Said) -> Iterator[Item]:
    known, place = accounts(said), 0
    while place < len(said.words):
        item = known.get(place) or _item(said, place) or Item(said.words[place], place, place)
        yield item
        place = item.last + 1


def _item(said: Said, place: int) -> Item | None:
    if not said.word(place):
        return None
    return next((item for rule in _RULES if (item := rule(said, place))), None)


def _word(item: Item, words: Sequence[Word]) -> Word:
    inside = words[item.first : item.last + 1]
    sure = [word.confidence for word in inside if word.confidence is not None]
    return Word(item.text, inside[0].start, inside[-1].end, min(sure) if sure else None)
