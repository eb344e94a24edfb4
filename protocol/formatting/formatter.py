"""Shows the words of a segment in the form that a client wants. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from ..calls.text_form import AS_WRITTEN, Signs, TextForm
from ..events import Final, Word
from .items import Item, SegmentWords
from .punctuation import removed, restored
from .word_choice import replaced, without_fillers, without_profanity
from .writers.addresses import address, may_have_address
from .writers.clock_times import clock_time
from .writers.codes import accounts, code
from .writers.dates import date
from .writers.digit_strings import digit_string
from .writers.quantities import quantity
from .writers.singles import single

_Rule = Callable[[SegmentWords, int], Item | None]

_RULES: tuple[_Rule, ...] = (code, date, clock_time, quantity, digit_string, single)
"""In this order, the first rule that knows what begins at a word decides. Addresses come before all of them."""


def formatted(final: Final, form: TextForm = AS_WRITTEN) -> Final:
    """The final in another form; what was said is in `lexical`. The redactions name the new words."""
    lexical = final.lexical or final.words
    items = shown_items(lexical, final.language, form)
    words = tuple(_word(item, lexical) for item in items)
    place_of = _places(items)
    redactions = tuple(
        replace(one, place=place_of.get(one.place, one.place)) for one in final.redactions
    )
    return replace(final, words=words, lexical=lexical, redactions=redactions)


def unformatted(final: Final, form: TextForm = AS_WRITTEN) -> Final:
    """The final as it was before `formatted` with the same form."""
    if not final.lexical:
        return final
    items = shown_items(final.lexical, final.language, form)
    redactions = tuple(
        replace(one, place=items[one.place].first)
        for one in final.redactions
        if one.place < len(items)
    )
    return replace(final, words=final.lexical, lexical=(), redactions=redactions)


def shown_items(words: Sequence[Word], language: str, form: TextForm) -> list[Item]:
    """The items that are shown for `words`, in order. Words that are left out belong to none of them."""
    items = [Item(word.text, place, place) for place, word in enumerate(words)]
    if form.without_fillers:
        items = without_fillers(items, language)
    if form.replacements:
        items = replaced(items, form.replacements)
    if form.numerals:
        items = [
            _spread(item, items) for item in format_texts([one.text for one in items], language)
        ]
    if form.without_profanity:
        items = without_profanity(items, language)
    match form.signs:
        case Signs.RESTORED:
            return restored(items, language)
        case Signs.REMOVED:
            return removed(items)
        case Signs.AS_HEARD:
            return items


def format_texts(texts: Sequence[str], language: str) -> list[Item]:
    """The items of words with numbers as people write them. Formatting what was formatted changes nothing."""
    return list(_items(SegmentWords.of(texts, language)))


def _items(said: SegmentWords) -> Iterator[Item]:
    known, place = accounts(said), 0
    rules = (address, *_RULES) if may_have_address(said) else _RULES
    while place < len(said.words):
        item = (
            known.get(place) or _item(said, place, rules) or Item(said.words[place], place, place)
        )
        yield item
        place = item.last + 1


def _item(said: SegmentWords, place: int, rules: Sequence[_Rule]) -> Item | None:
    if not said.word(place):
        return None
    return next((item for rule in rules if (item := rule(said, place))), None)


def _spread(item: Item, of: Sequence[Item]) -> Item:
    """An item of items as an item of the words."""
    return Item(item.text, of[item.first].first, of[item.last].last)


def _places(items: Sequence[Item]) -> dict[int, int]:
    """The index of the item of each word."""
    return {
        place: at for at, item in enumerate(items) for place in range(item.first, item.last + 1)
    }


def _word(item: Item, words: Sequence[Word]) -> Word:
    inside = words[item.first : item.last + 1]
    sure = [word.confidence for word in inside if word.confidence is not None]
    confidence = min(sure) if sure else None
    return replace(inside[0], text=item.text, end=inside[-1].end, confidence=confidence)
