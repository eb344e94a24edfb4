"""The values of formatting: words as they were said, the numbers in them, and items as they are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from ..numbers.atoms import Atom, atoms
from ..numbers.months import MONTHS_OF
from ..numbers.morphemes import split
from ..numbers.ordinals import with_cardinals
from ..numbers.tokens import Token, fold, tokenise
from .vocabulary import PERCENT

SIGNS_AFTER = ".,;:!?…"
_CURRENCY_SIGNS = frozenset({"R$", "$", "€", "£"})
_HYPHENS = frozenset("-‐‑–")
_FEWEST_HYPHENED = 5
"""Tokens of the shortest word of three groups that hyphens join."""

_LONGEST_FIXED = 21
"""Cardinals of the longest run with a fixed number: more than a card number has digits, or an address words."""


@dataclass(frozen=True, slots=True)
class Item:
    """A piece of shown text. `first` and `last`: indices of the words that it stands for, both included."""

    text: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Number:
    """One number. `first` and `last`: its words, both included."""

    digits: str
    first: int
    last: int
    value: int
    is_ordinal: bool = False
    is_fixed: bool = False
    """Written by the engine as a group of digits, which other digits do not join unless they make a whole."""


@dataclass(frozen=True, slots=True)
class SegmentWords:
    """The words of a segment, and the numbers in them."""

    words: tuple[str, ...]
    plain: tuple[str, ...]
    """The words folded (see `protocol.numbers.tokens`) and without signs; empty for a tag of a redaction."""

    tokens: tuple[Token, ...]
    atoms: tuple[Atom, ...]
    """The cardinal numbers, without their words."""

    numbers: Mapping[int, Number]
    """The numbers whose words are nothing else, by their first word."""

    ends: frozenset[int]
    """The last words of the numbers."""

    language: str

    @classmethod
    def of(cls, words: Sequence[str], language: str) -> "SegmentWords":
        """Read the words of a segment. `language`: ISO 639."""
        texts = tuple(words)
        tokens = tokenise(texts)
        by_word = _by_word(tokens, len(texts))
        plain = tuple(
            "" if text.startswith("[") else "".join(one.text for one in of if not one.is_sign)
            for text, of in zip(texts, by_word, strict=True)
        )
        numbered = _without_percent(tokens, language)
        found = tuple(atoms(numbered, language))
        changed, ordinals = with_cardinals(numbered, language)
        counted = atoms(changed, language) if ordinals else found
        numbers = _numbers(texts, tokens, by_word, language, counted, ordinals)
        ends = frozenset(one.last for one in numbers.values())
        return cls(texts, plain, tokens, found, numbers, ends, language)

    def word(self, place: int) -> str:
        """The folded word at `place`, without signs; empty if there is none."""
        return self.plain[place] if 0 <= place < len(self.plain) else ""

    def follows(self, place: int, phrase: Sequence[str]) -> bool:
        """Whether the words from `place` on are those of `phrase`, in one phrase of the speaker."""
        if tuple(self.plain[place : place + len(phrase)]) != tuple(phrase):
            return False
        return not any(self.is_closed(at) for at in range(place - 1, place + len(phrase) - 1))

    def is_closed(self, place: int) -> bool:
        """Whether a sign ends a phrase behind the word at `place`."""
        return place >= 0 and self.words[place][-1:] in SIGNS_AFTER

    def sign(self, place: int) -> str:
        """The sign behind the word at `place`, which stays behind what is shown for it."""
        last = self.words[place][-1:]
        return last if last in SIGNS_AFTER else ""

    def cardinal(self, place: int) -> Number | None:
        """The cardinal that begins with the word at `place`."""
        found = self.numbers.get(place)
        return None if found is None or found.is_ordinal else found

    def next(self, place: int) -> int:
        """The place behind `place`, or -1 if a sign ends the phrase there."""
        return -1 if self.is_closed(place) else place + 1

    def run(self, place: int, most: int | None = None) -> list[Number]:
        """
        The cardinals that follow each other from `place` on, without a sign between them.

        `most`: number of cardinals after which the run is cut. A run with a fixed number is always cut after
        `_LONGEST_FIXED`: the rules go on one by one through such a run, and must not read all of it each time.
        """
        found: list[Number] = []
        is_fixed = False
        while len(found) != most and (number := self.cardinal(place)) is not None:
            found.append(number)
            is_fixed = is_fixed or number.is_fixed
            if is_fixed and len(found) >= _LONGEST_FIXED:
                break
            place = self.next(number.last)
        return found

    def item(self, text: str, first: int, last: int) -> Item:
        """An item for the words from `first` to `last`, with the sign behind them."""
        sign = self.sign(last)
        return Item(text if sign and text.endswith(sign) else text + sign, first, last)


def _without_percent(tokens: Sequence[Token], language: str) -> tuple[Token, ...]:
    """The tokens with a sign for the second word of `por ciento` behind a number, which is no number itself."""
    phrases = {phrase for phrase in PERCENT.get(language, ()) if len(phrase) == 2}
    if not phrases:
        return tuple(tokens)
    found = list(tokens)
    for at, (number, first, second) in enumerate(zip(tokens, tokens[1:], tokens[2:], strict=False)):
        if (first.text, second.text) not in phrases:
            continue
        if number.is_digits or split(number.text, language):
            found[at + 2] = replace(second, text="%")
    return tuple(found)


def _by_word(tokens: Sequence[Token], count: int) -> list[list[Token]]:
    by_word: list[list[Token]] = [[] for _ in range(count)]
    for token in tokens:
        by_word[token.word].append(token)
    return by_word


def _numbers(
    texts: Sequence[str],
    tokens: Sequence[Token],
    by_word: Sequence[Sequence[Token]],
    language: str,
    counted: Sequence[Atom],
    ordinals: frozenset[int],
) -> dict[int, Number]:
    found = [
        Number(
            atom.digits,
            tokens[atom.first].word,
            tokens[atom.last].word,
            int(atom.digits[:18]),
            is_ordinal=atom.last in ordinals,
            is_fixed=atom.is_written and len(atom.digits) > 1,
        )
        for atom in counted
        if _fills(tokens, by_word, atom)
    ]
    found = [_as_written(one, texts, language) for one in _compound(found)]
    whole = (
        _hyphened(at, of) or _ordinal(texts[at], at, language) for at, of in enumerate(by_word)
    )
    return {one.first: one for one in found} | {one.first: one for one in whole if one}


def _as_written(number: Number, texts: Sequence[str], language: str) -> Number:
    """Digits that the engine wrote may be an amount (`R$ 7`) or a German ordinal (`31.`)."""
    text, before = texts[number.first], texts[number.first - 1] if number.first else ""
    if before in _CURRENCY_SIGNS:
        return replace(number, is_fixed=True)
    behind = texts[number.first + 1] if number.first + 1 < len(texts) else ""
    is_dotted = language == "de" and text[:-1].isdigit() and text[-1] == "." and len(text) <= 4
    if is_dotted and (is_month(behind, language) or (number.is_fixed and not before[:1].isdigit())):
        return replace(number, is_ordinal=True, is_fixed=True)
    return number


def is_month(text: str, language: str) -> bool:
    """Whether a word is the name of a month."""
    return fold(text.rstrip(SIGNS_AFTER)) in MONTHS_OF.get(language, ())


def _ordinal(text: str, place: int, language: str) -> Number | None:
    """`21st`, as English engines write ordinals."""
    bare = text.rstrip(SIGNS_AFTER)
    digits = bare[:-2]
    if language != "en" or bare[-2:] not in ("st", "nd", "rd", "th") or not digits.isdecimal():
        return None
    value = int(digits[:18])
    return Number(digits, place, place, value, is_ordinal=True, is_fixed=True)


def _compound(numbers: Sequence[Number]) -> list[Number]:
    """Tens and unit as one number where both are ordinals: `vigesimo primero`."""
    found: list[Number] = []
    for number in numbers:
        before = found[-1] if found else None
        if before and before.is_ordinal and number.is_ordinal and _is_tens(before, number):
            value = before.value + number.value
            found[-1] = Number(str(value), before.first, number.last, value, is_ordinal=True)
        else:
            found.append(number)
    return found


def _is_tens(before: Number, after: Number) -> bool:
    is_next = before.last + 1 == after.first
    return is_next and before.value % 10 == 0 < before.value < 100 and 0 < after.value < 10


def _fills(tokens: Sequence[Token], by_word: Sequence[Sequence[Token]], atom: Atom) -> bool:
    """Whether the tokens of a number are all of their words, but for signs."""
    inside = {id(token) for token in tokens[atom.first : atom.last + 1]}
    around = (
        token
        for word in {tokens[atom.first].word, tokens[atom.last].word}
        for token in by_word[word]
        if id(token) not in inside
    )
    return all(token.is_sign and token.text not in "/:@#%$€£°²³+-([{_" for token in around)


def _hyphened(place: int, tokens: Sequence[Token]) -> Number | None:
    """`415-555-0123` and `1-2-3-4`: groups of digits that the engine joined by hyphens."""
    if len(tokens) < _FEWEST_HYPHENED:
        return None
    inner = list(tokens)
    while inner and inner[-1].text in SIGNS_AFTER:
        inner.pop()
    kinds = [is_digits for is_digits, _ in groupby(inner, key=lambda one: one.is_digits)]
    groups = [token.text for token in inner if token.is_digits]
    if len(groups) < 3 or len(inner) != 2 * len(groups) - 1 or not kinds[0]:
        return None
    if any(one.text not in _HYPHENS for one in inner if not one.is_digits):
        return None
    if any(one.is_digits == other.is_digits for one, other in pairwise(inner)):
        return None
    digits = "".join(groups)
    return Number(digits, place, place, int(digits[:18]), is_fixed=len(digits) > len(groups))
