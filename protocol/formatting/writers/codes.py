"""Writes what is spelled: order codes (`A B one two` is AB12), spelled names, and IBANs in groups of four."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...numbers.languages import lexicon_of
from ...redaction.segment.iban import ibans
from ...redaction.segment.spelled import ICAO, characters
from ..items import SIGNS_AFTER, Item, SegmentWords
from ..vocabulary import AS_IN, LETTER_NAMES, SPELLING, WORDS_OF_A_LETTER

_LONGEST = 40
"""Letters and numbers of the longest code."""

_FEWEST_DIGITS = 7
"""Digits of an IBAN with many letters."""

_SPELLED_NAME = 3
"""Fewest letters that are joined without a number."""


_FEWEST_BEHIND_NUMBER = 2
"""Fewest letters of a code that begins with a number."""

_HALVES_OF_DAY = ("AM", "PM")


@dataclass(frozen=True, slots=True)
class _Part:
    """One letter, or the digits of one number. `last`: its last word. `sure`: it is no word of its own."""

    text: str
    last: int
    sure: bool = True
    named: bool = False
    """A word of a spelling alphabet."""

    explained: bool = False
    """With a word for it: `B as in bravo`."""


def code(said: SegmentWords, place: int) -> Item | None:
    """An order code or a spelled name that begins with the letter, or the number, at `place`."""
    first = _letter(said, place)
    begins_with_number = first is None
    if first is None:
        first = _number(said, place)
    if first is None or not first.sure:
        return None
    parts = _parts(said, first)
    while parts and not parts[-1].sure:
        parts.pop()
    if not (_is_code_with_number if begins_with_number else _is_code)(parts):
        return None
    return said.item("".join(part.text for part in parts), place, parts[-1].last)


def _parts(said: SegmentWords, first: _Part) -> list[_Part]:
    parts = [first]
    while len(parts) < _LONGEST:
        last = parts[-1].last
        place = last + 1 if parts[-1].explained and said.sign(last) == "," else said.next(last)
        more = _letter(said, place) or _number(said, place) if place > 0 else None
        if more is None:
            break
        parts.append(more)
    return parts


def _is_code(parts: Sequence[_Part]) -> bool:
    letters = [part for part in parts if not part.text[0].isdigit()]
    digits = "".join(part.text for part in parts if part.text[0].isdigit())
    if not digits:
        return len(letters) >= _SPELLED_NAME
    if all(part.named for part in letters):
        return len(letters) >= 2
    return len(letters) > 1 or digits != "1"


def _is_code_with_number(parts: Sequence[_Part]) -> bool:
    """Whether a number and what follows it is a code: not `3 D`, `nine A M`, or a number and a row of names."""
    letters = [part.text for part in parts if part.text.isalpha() and not part.named]
    return len(letters) >= _FEWEST_BEHIND_NUMBER and "".join(letters) not in _HALVES_OF_DAY


def _letter(said: SegmentWords, place: int) -> _Part | None:
    """The letter at `place`, with the word that explains it."""
    word = said.word(place)
    if (many := lexicon_of(said.language).repeats.get(word)) and not said.is_closed(place):
        if said.language == "en" and word == "double" and said.word(place + 1) == "u":
            return _Part("W", place + 1)
        repeated = _single(said, place + 1)
        is_one = repeated and len(repeated.text) == 1 and repeated.last == place + 1
        return _Part(repeated.text * many, place + 1) if is_one and repeated else None
    return _single(said, place)


def _single(said: SegmentWords, place: int) -> _Part | None:
    """A letter that is said once."""
    word, text = said.word(place), _text_of(said, place)
    if not text:
        return None
    is_named = len(word) > 1 and word not in LETTER_NAMES.get(said.language, {})
    end = _explained(said, place, word) if len(word) == 1 else None
    if end is not None:
        return _Part(text, end, explained=True)
    return _Part(text, place, sure=_is_sure(said, place, word), named=is_named)


def _text_of(said: SegmentWords, place: int) -> str:
    word = said.word(place)
    if len(word) == 1 and word.isascii() and word.isalpha():
        is_bare = len(said.words[place].rstrip(SIGNS_AFTER)) == 1
        return word.upper() if is_bare else ""
    known = (LETTER_NAMES.get(said.language, {}), SPELLING.get(said.language, {}), ICAO)
    return next((names[word] for names in known if word in names), "")


def _is_sure(said: SegmentWords, place: int, word: str) -> bool:
    """Whether a letter is neither a word nor a unit: a capital inside a sentence, or no word of the language."""
    if place > 0 and said.words[place - 1][-1:].isdigit():
        return False
    if word not in WORDS_OF_A_LETTER.get(said.language, ()):
        return True
    is_capital = said.words[place][:1].isupper() and not (said.language == "en" and word == "i")
    is_first = place == 0 or said.sign(place - 1) in tuple(".!?")
    return is_capital and not is_first


def _explained(said: SegmentWords, place: int, letter: str) -> int | None:
    """The last word of `for November` behind the letter at `place`; None if there is none."""
    behind = said.next(place)
    if behind < 0:
        return None
    for phrase in AS_IN.get(said.language, ()):
        end = behind + len(phrase)
        if said.follows(behind, phrase) and len(said.word(end)) > 1 and said.word(end)[0] == letter:
            return end
    return None


def _number(said: SegmentWords, place: int) -> _Part | None:
    number = said.cardinal(place)
    return _Part(number.digits, number.last) if number else None


def accounts(said: SegmentWords) -> dict[int, Item]:
    """The IBANs of a segment, in groups of four, by their first word."""
    if sum(len(atom.digits) for atom in said.atoms) < _FEWEST_DIGITS:
        return {}
    found = {}
    for first, last in ibans(said.tokens, said.atoms, said.language):
        text = characters(said.tokens[first : last + 1], said.atoms, said.language, first)
        words = said.tokens[first].word, said.tokens[last].word
        groups = " ".join(text[at : at + 4] for at in range(0, len(text), 4))
        found[words[0]] = said.item(groups, *words)
    return found
