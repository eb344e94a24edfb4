"""
Shows the words of an open segment in the form that a client wants, without flicker.

What is shown may change while a number, a date or an address grows. Two words in a row that can be part of neither
end everything before them: later words change nothing there any more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

from ..calls.text_form import Signs, TextForm
from ..events import Word
from ..numbers.languages import lexicon_of
from ..numbers.lexicon import Phrase
from ..numbers.months import MONTHS_OF
from ..redaction.segment.address_words import AT, SEPARATORS
from ..redaction.segment.spelled import ICAO
from .formatter import shown_items
from .items import SegmentWords
from .vocabulary import (
    AS_IN,
    BEFORE_TIME,
    CENTS,
    CENTS_JOINERS,
    CURRENCIES,
    HOURS,
    LETTER_NAMES,
    MINUS,
    PERCENT,
    PLUS,
    POINTS,
    SLASHES,
    SPELLING,
    UNITS,
)

_ENDS = (".", "!", "?")


def shown_partial(
    words: Sequence[str], stable: int, language: str, form: TextForm
) -> tuple[tuple[str, ...], int]:
    """
    The texts that are shown for an open segment, and how many of them no later word changes.

    `stable`: number of leading words that stay. End signs are not added: the segment goes on.
    """
    if form.signs is Signs.RESTORED:
        form = replace(form, signs=Signs.AS_HEARD)
    items = shown_items([Word(word) for word in words], language, form)
    settled = _settled(words[:stable], language) if form.numerals else stable
    settled -= max((len(one.words.split()) - 1 for one in form.replacements), default=0)
    return tuple(item.text for item in items), sum(item.last < settled for item in items)


def _settled(words: Sequence[str], language: str) -> int:
    """Number of leading words whose form does not depend on what follows after `words`."""
    said = SegmentWords.of(words, language)
    links = _links(language)
    inside = {at for one in said.numbers.values() for at in range(one.first, one.last + 1)}
    ends = [place not in inside and _ends(said.word(place), links) for place in range(len(words))]
    for place in range(len(words) - 1, -1, -1):
        if words[place].startswith("[") or (words[place].endswith(_ENDS) and ends[place]):
            return place + 1
        if place > 0 and ends[place] and ends[place - 1]:
            return place
    return 0


def _ends(word: str, links: frozenset[str]) -> bool:
    """Whether a word is no part of a number, an address or a code."""
    return len(word) > 1 and word.isalpha() and word not in links


@cache
def _links(language: str) -> frozenset[str]:
    """The words that join numbers, addresses and codes, or belong to them."""
    lexicon = lexicon_of(language)
    cues, joiners = BEFORE_TIME.get(language, ((), frozenset[str]()))
    named = {POINTS.get(language, ("",))[0], MINUS.get(language, ""), PLUS.get(language, "")}
    cents, _ = CENTS_JOINERS.get(language, (frozenset[str](), True))
    return frozenset[str]().union(
        _words(cues),
        _words(PERCENT.get(language, ())),
        _words(phrase for phrase, _ in UNITS.get(language, ())),
        _words(phrase for phrase, _ in SEPARATORS.get(language, ())),
        _words(AS_IN.get(language, ())),
        *(named, joiners, cents, CENTS, CURRENCIES, ICAO, lexicon.morphemes, lexicon.repeats),
        *(
            lexicon.times,
            lexicon.articles,
            MONTHS_OF.get(language, ()),
            ("am", "pm", "o'clock", "of"),
        ),
        *(table.get(language, ()) for table in (HOURS, AT, SLASHES, LETTER_NAMES, SPELLING)),
    )


def _words(phrases: Iterable[Phrase]) -> frozenset[str]:
    return frozenset(word for phrase in phrases for word in phrase)
