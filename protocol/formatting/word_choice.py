"""Leaves words out of a text, and puts others in their place: fillers, swear words, and what a client names."""

from collections.abc import Iterable, Mapping, Sequence

from ..calls.text_form import Replacement
from ..numbers.lexicon import words
from ..numbers.tokens import fold
from .items import SIGNS_AFTER, Item

_FILLERS: Mapping[str, frozenset[str]] = {
    "en": words("uh um uhm erm hmm mhm mm uhh umm"),
    "de": words("ah ahm ahh eh ehm hm hmm mhm"),
    "fr": words("euh heu hum hem bah"),
    "es": words("eh em ehm mmm"),
    "it": words("eh ehm uhm mmm"),
    "pt": words("eh hum ah mmm"),
    "nl": words("eh ehm uh uhm hm"),
}
"""Sounds of hesitation, folded. Words with a meaning of their own are not among them."""

_PROFANITY: Mapping[str, frozenset[str]] = {
    "en": words(
        "fuck fucks fucked fucker fuckers fucking motherfucker motherfuckers motherfucking shit shits shitty"
        " bullshit bitch bitches bastard bastards asshole assholes cunt cunts dick dickhead cock cocksucker"
        " prick pussy whore slut twat wanker bollocks goddamn"
    ),
    "de": words(
        "scheisse scheiss scheissen arsch arschloch arschlocher fotze wichser hurensohn ficken fick ficker"
        " schlampe nutte hure miststuck drecksau schwanz"
    ),
    "fr": words(
        "merde putain connard connards connasse salope salaud encule enculer bordel bite couille couilles"
        " pute foutre"
    ),
    "es": words(
        "mierda puta puto putas joder jodido jodida cono cabron cabrona gilipollas pendejo verga polla"
        " chingar chingada hijoputa"
    ),
    "it": words(
        "cazzo cazzi merda stronzo stronza stronzi vaffanculo puttana troia coglione coglioni minchia"
        " bastardo"
    ),
    "pt": words(
        "merda caralho porra puta foda foder fodido buceta cu cuzao filho-da-puta viado cona"
    ),
    "nl": words("kut klootzak kanker tering godverdomme hoer lul kutwijf neuken eikel tyfus"),
}


_MOST_ADDED = 5_000
"""Characters that replacements may add to one segment: all of them are formatted, and sent to each client."""


def without_fillers(items: Iterable[Item], language: str) -> list[Item]:
    """The items without hesitations."""
    fillers = _FILLERS.get(language, frozenset())
    return [item for item in items if _bare(item.text) not in fillers]


def without_profanity(items: Iterable[Item], language: str) -> list[Item]:
    """The items with asterisks for the letters of swear words."""
    listed = _PROFANITY.get(language, frozenset())
    return [_starred(item) if _bare(item.text) in listed else item for item in items]


def replaced(items: Sequence[Item], replacements: Iterable[Replacement]) -> list[Item]:
    """
    The items with replacements: of several that begin at one word, the longest counts.

    A replacement without text leaves its words out. The sign behind the last replaced word stays. Words behind
    `_MOST_ADDED` characters of replacements stay as they are.
    """
    table = {tuple(_bare(word) for word in one.words.split()): one.text for one in replacements}
    table = {phrase: text for phrase, text in table.items() if phrase and "[" not in phrase}
    lengths = sorted({len(phrase) for phrase in table}, reverse=True)
    bare = [_bare(item.text) for item in items]
    found: list[Item] = []
    place = added = 0
    while place < len(items) and added < _MOST_ADDED:
        begun = (tuple(bare[place : place + length]) for length in lengths)
        phrase = next((one for one in begun if one in table), None)
        if phrase is None:
            found.append(items[place])
            place += 1
            continue
        last = items[place + len(phrase) - 1]
        if text := table[phrase]:
            added += len(text)
            found.append(Item(text + _sign(last.text), items[place].first, last.last))
        place += len(phrase)
    return [*found, *items[place:]]


def _bare(text: str) -> str:
    """The folded text without signs around it; the tag of a redaction is equal to no word."""
    if text.startswith("["):
        return "["
    return fold(text.strip(SIGNS_AFTER + '¿¡"“”()'))


def _sign(text: str) -> str:
    return text[-1] if text[-1:] in SIGNS_AFTER else ""


def _starred(item: Item) -> Item:
    stars = "".join("*" if one.isalpha() else one for one in item.text)
    return Item(stars, item.first, item.last)
