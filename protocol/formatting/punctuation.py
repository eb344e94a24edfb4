"""
Adds capitals and end signs by rules to a text that has none, and removes them.

The rules know where a segment begins and ends, questions that begin with a question word, and names that are
written with a capital in every sentence. They find no comma, no end of a sentence inside a segment and no
unknown name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..numbers.lexicon import words
from ..numbers.months import MONTHS_OF
from ..numbers.tokens import fold
from .items import SIGNS_AFTER, Item

_OPENING = '¿¡"“('
_SHORTEST = 2
"""Words of the shortest segment that gets an end sign: a single word may be any part of a sentence."""

_ALWAYS: Mapping[str, frozenset[str]] = {
    "en": (
        words(
            "i i'm i've i'll i'd monday tuesday wednesday thursday friday saturday sunday english german french"
            " spanish italian dutch portuguese american british european christmas easter"
        )
        | (MONTHS_OF["en"] - words("may march"))
    ),
    "de": (
        words("montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag ihnen")
        | MONTHS_OF["de"]
    ),
}
"""Words that are written with a capital in every sentence."""

_TITLES = words(
    "mr mrs ms dr mister doctor herr frau professor monsieur madame senor senora signor signora senhor"
)
"""Words before a name. In other languages than German they keep their own case."""

_ACRONYMS: Mapping[str, str] = {
    "iban": "IBAN",
    "pin": "PIN",
    "usb": "USB",
    "vat": "VAT",
    "dvd": "DVD",
    "wifi": "Wi-Fi",
}

_QUESTIONS: Mapping[str, frozenset[str]] = {
    "en": words("who what where when why how which whose"),
    "de": words(
        "wer was wo wann warum wieso weshalb wie welche welcher welches wem wen wohin woher"
    ),
    "fr": words("pourquoi comment combien quand quel quelle quels quelles est-ce qu'est-ce"),
    "es": words("qué quién dónde cuándo cómo cuál cuánto cuánta cuántos cuántas"),
    "it": words("chi cosa dove quando come perché quale quanto quanta quanti quante"),
    "pt": words("quem onde quando como quanto quantos quanta quantas qual quais"),
    "nl": words("wie wat waar wanneer waarom hoe welke welk"),
}
"""First words of a question, with their accents."""

_ASKING: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "en": (
        words("do does did can could would will may should is are was were have has am"),
        words("you i we they he she it there this that your my the"),
    ),
    "de": (
        words(
            "haben können könnten möchten wollen sind ist kann darf soll hat bin würden wissen sehen"
        ),
        words("sie ich du wir ihr er es das"),
    ),
    "nl": (
        words("kan kunt kunnen heeft heb hebben bent is wilt mag zijn"),
        words("u ik jij je wij we hij het dat"),
    ),
    "fr": (words("avez-vous pouvez-vous êtes-vous voulez-vous savez-vous puis-je"), frozenset()),
}
"""First and second words of a question without a question word; no second words: the first is enough."""

_OPEN_ENDS = words(
    "and or but und oder aber et ou mais y o pero e ma en of maar the a to der die das"
)
"""Words that do not end a sentence."""


def restored(items: Sequence[Item], language: str) -> list[Item]:
    """The items with capitals and an end sign, if the engine wrote neither."""
    if not items or not language or _has_signs(items):
        return [*items]
    named = [_cased(items, place, language) for place in range(len(items))]
    named[0] = _with(named[0], _capital(named[0].text))
    if len(items) < _SHORTEST or fold(items[-1].text) in _OPEN_ENDS or items[-1].text.endswith("]"):
        return named
    if language == "es" and _is_question(items, language):
        named[0] = _with(named[0], f"¿{named[0].text}")
    named[-1] = _with(named[-1], named[-1].text + ("?" if _is_question(items, language) else "."))
    return named


def removed(items: Sequence[Item]) -> list[Item]:
    """The items in lower case and without punctuation. Signs inside of numbers and addresses stay."""
    bare = (_with(item, _bare(item.text)) for item in items)
    return [item for item in bare if item.text]


def _bare(text: str) -> str:
    if text.startswith("["):
        return text.rstrip(SIGNS_AFTER)
    bare = text.strip(SIGNS_AFTER + _OPENING)
    return bare if any(one.isdigit() for one in bare) else bare.lower()


def _with(item: Item, text: str) -> Item:
    return replace(item, text=text)


def _has_signs(items: Sequence[Item]) -> bool:
    """Whether the engine writes signs or capitals: the first word has a capital, or some word has a sign."""
    texts = [item.text for item in items if not item.text.startswith("[")]
    if any(text[-1:] in SIGNS_AFTER for text in texts):
        return True
    first = texts[0] if texts else ""
    is_shouted = len(texts) > 1 and all(text == text.upper() for text in texts)
    return first[:1].isupper() and first != "I" and not is_shouted and first.isalpha()


def _cased(items: Sequence[Item], place: int, language: str) -> Item:
    item, plain = items[place], fold(items[place].text)
    if plain in _ACRONYMS:
        return _with(item, _ACRONYMS[plain])
    is_named = place > 0 and fold(items[place - 1].text).rstrip(".") in _TITLES
    if plain in _ALWAYS.get(language, ()) or is_named or (language == "de" and plain in _TITLES):
        return _with(item, _capital(item.text))
    return item


def _capital(text: str) -> str:
    """The text with a capital, unless it is an address or has capitals already."""
    return text if "@" in text or "." in text[:-1] else text[:1].upper() + text[1:]


def _is_question(items: Sequence[Item], language: str) -> bool:
    first = items[0].text.lower()
    second = items[1].text.lower() if len(items) > 1 else ""
    starts, follows = _ASKING.get(language, (frozenset[str](), frozenset[str]()))
    is_asking = first in starts and (not follows or second in follows)
    return first in _QUESTIONS.get(language, ()) or is_asking
