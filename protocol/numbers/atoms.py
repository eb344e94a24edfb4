"""Numbers one by one: each spoken number and each written group of digits, with the tokens that it covers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from .grammar import Reader, Spoken
from .languages import lexicon_of
from .lexicon import Kind, Lexicon, Morpheme
from .morphemes import Parts, split
from .tokens import Token

_HYPHENS = frozenset("-‐‑–")


@dataclass(frozen=True, slots=True)
class Atom:
    """One number. `first` and `last`: indices of its tokens, both included."""

    digits: str
    first: int
    last: int
    other: str = ""
    """Another reading of the same words: `quatre-vingt` as 420. Empty if there is none."""

    longer: int = 0
    """How many digits the other reading has more, where a space between the words speaks for it."""

    is_weak: bool = False
    """A word that is a digit only because of the numbers around it: `for` as 4."""

    is_written: bool = False
    """Written in digits by the engine."""

    value: int | None = None
    """The value, of a spoken number."""


def atoms(tokens: Sequence[Token], language: str, *, weak: bool = False) -> list[Atom]:
    """The numbers in `tokens`, in order. `weak`: count homophones between two numbers as digits."""
    lexicon = lexicon_of(language)
    found: dict[int, Atom] = {}
    at = 0
    while at < len(tokens):
        made = _at(tokens, at, lexicon)
        found |= {one.first: one for one in made}
        at = max((one.last for one in made), default=at) + 1
    if weak and lexicon.weak:
        found |= _weak(tokens, found, lexicon.weak)
    return [found[first] for first in sorted(found)]


def _at(tokens: Sequence[Token], at: int, lexicon: Lexicon) -> list[Atom]:
    """The numbers that begin at token `at`: a written group, a repeated digit, or a stretch of number words."""
    token = tokens[at]
    if token.is_digits:
        return [Atom(token.text, at, at, is_written=True)]
    if repeated := _repeated(tokens, at, lexicon):
        return [repeated]
    if not split(token.text, lexicon.language):
        return []
    stretch = _stretch(tokens, at, lexicon)
    return [_atom(one, stretch, lexicon) for one in Reader(stretch, lexicon).numbers()]


def _atom(spoken: Spoken, stretch: Sequence[Morpheme], lexicon: Lexicon) -> Atom:
    digits = str(spoken.value)
    if lexicon.compound and spoken.first < spoken.last:
        other = _word_by_word(spoken, stretch, lexicon)
        longer = max(0, len(other) - len(digits))
        return Atom(digits, spoken.first, spoken.last, other, longer, value=spoken.value)
    apart = "".join(str(part) for part in spoken.parts)
    other = apart if len(spoken.parts) > 1 and spoken.value < 100 else ""
    return Atom(digits, spoken.first, spoken.last, other, value=spoken.value)


def _word_by_word(spoken: Spoken, stretch: Sequence[Morpheme], lexicon: Lexicon) -> str:
    """Each word as a number of its own, where a number is written as one word: `zwei hundertfünf` as 2, 105."""
    inside = [one for one in stretch if spoken.first <= one.token <= spoken.last]
    words = (list(parts) for _, parts in groupby(inside, key=lambda one: one.token))
    return "".join(str(one.value) for parts in words for one in Reader(parts, lexicon).numbers())


def _stretch(tokens: Sequence[Token], at: int, lexicon: Lexicon) -> list[Morpheme]:
    """The morphemes of the number words from `at` on, up to another word, a sign, or a repeated digit."""
    found: list[Morpheme] = []
    for place in range(at, len(tokens)):
        token = tokens[place]
        if token.text in _HYPHENS and token.glued:
            continue
        parts = split(token.text, lexicon.language)
        if not parts or _repeated(tokens, place, lexicon):
            break
        found += [Morpheme(kind, value, place) for kind, value in parts]
    return found


def _repeated(tokens: Sequence[Token], at: int, lexicon: Lexicon) -> Atom | None:
    """`double four` is 44; `trois fois le zero` is 000."""
    if many := lexicon.repeats.get(tokens[at].text):
        return _times(many, tokens, at, at + 1, lexicon)
    if at + 1 < len(tokens) and tokens[at + 1].text in lexicon.times:
        many = _unit(split(tokens[at].text, lexicon.language))
        return _times(many, tokens, at, at + 2, lexicon) if many in (2, 3, 4) else None
    return None


def _times(
    many: int, tokens: Sequence[Token], first: int, at: int, lexicon: Lexicon
) -> Atom | None:
    """The digit at `at`, after an article if there is one, `many` times."""
    if at < len(tokens) and tokens[at].text in lexicon.articles:
        at += 1
    if at >= len(tokens):
        return None
    token = tokens[at]
    digit = _unit(split(token.text, lexicon.language))
    if token.is_digits and len(token.text) == 1:
        digit = int(token.text)
    return None if digit is None else Atom(str(digit) * many, first, at)


def _unit(parts: Parts) -> int | None:
    return parts[0][1] if len(parts) == 1 and parts[0][0] is Kind.UNIT else None


def _weak(
    tokens: Sequence[Token], found: Mapping[int, Atom], weak: Mapping[str, int]
) -> dict[int, Atom]:
    """Homophones between two numbers, with nothing but signs around them."""
    ends = {one.last for one in found.values()}
    spoken = [at for at, token in enumerate(tokens) if not token.is_sign]
    return {
        at: Atom(str(weak[tokens[at].text]), at, at, is_weak=True)
        for before, at, after in zip(spoken, spoken[1:], spoken[2:], strict=False)
        if tokens[at].text in weak and before in ends and after in found
    }
