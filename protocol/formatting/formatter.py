"""Formats the words of a segment. Pure; formatting what was formatted changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..events import Final, Word
from .addresses import addresses
from .items import Item, Said
from .numbers import groups, numbers_in, shown
from .vocabulary import HOURS, POINTS


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
    said = Said.of(words, language)
    taken = list(addresses(said))
    covered = {place for item in taken for place in range(item.first, item.last + 1)}
    numbers = [one for one in numbers_in(said) if covered.isdisjoint((one.first, one.last))]
    for group in groups(said, numbers):
        taken += shown(said, group)
    taken = _joined(said, sorted(taken, key=lambda item: item.first))
    return list(_filled(said, taken))


def _filled(said: Said, taken: Sequence[Item]) -> Iterator[Item]:
    """The items with every other word as its own item."""
    place = 0
    for item in taken:
        yield from (Item(said.words[at], at, at) for at in range(place, item.first))
        yield item
        place = item.last + 1
    yield from (Item(said.words[at], at, at) for at in range(place, len(said.words)))


def _joined(said: Said, items: Sequence[Item]) -> list[Item]:
    """Items that belong together: whole and fraction, hour and minutes, and single ordinals."""
    found: list[Item] = []
    for item in items:
        if found and item.first == found[-1].last + 2 and (sign := _between(said, found[-1], item)):
            found[-1] = Item(found[-1].text + sign + item.text, found[-1].first, item.last)
        elif not found or item.first > found[-1].last:
            found.append(item)
    return found


def _between(said: Said, before: Item, after: Item) -> str:
    """The sign for the word between two items; empty if it stays a word."""
    word = said.word(before.last + 1)
    point, sign = POINTS.get(said.language, ("", ""))
    if word and word == point and after.text[:1].isdigit():
        return sign
    is_clock = before.text.isdigit() and int(before.text) <= 24 and after.text[:2].isdigit()
    if word and word == HOURS.get(said.language) and is_clock and int(after.text[:2]) < 60:
        return " h " if said.language == "fr" else ":"
    return ""


def _word(item: Item, words: Sequence[Word]) -> Word:
    inside = words[item.first : item.last + 1]
    sure = [word.confidence for word in inside if word.confidence is not None]
    return Word(item.text, inside[0].start, inside[-1].end, min(sure) if sure else None)
