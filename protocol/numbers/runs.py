"""
Runs: numbers that follow each other with nothing but fillers, signs and corrections between them.

A card number, a telephone number or an order number is one run, however the speaker groups it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import combinations, islice, product

from .atoms import Atom, atoms
from .languages import lexicon_of
from .lexicon import Lexicon
from .tokens import Token, tokenise

_MOST_GLUE = 5
"""Most words between two numbers of one run."""

_MOST_READINGS = 96
_MOST_REPLACED = 4
"""Most digits that a correction replaces."""


class Mark(Enum):
    """What was said before a number of a run."""

    CORRECTED = auto()
    NEGATED = auto()
    RESTARTED = auto()


@dataclass(frozen=True, slots=True)
class Run:
    """The numbers of one run, in order. `marks`: for each number, what was said before it; None: nothing."""

    atoms: tuple[Atom, ...]
    marks: tuple[Mark | None, ...]

    @property
    def first(self) -> int:
        """Index of the first token."""
        return self.atoms[0].first

    @property
    def last(self) -> int:
        """Index of the last token, included."""
        return self.atoms[-1].last

    @property
    def digits(self) -> str:
        """All digits as they were said, corrections included."""
        return "".join(atom.digits for atom in self.atoms)

    @property
    def has_weak(self) -> bool:
        """Whether a homophone counts as a digit in it."""
        return any(atom.is_weak for atom in self.atoms)

    def readings(self) -> list[str]:
        """The digits that the speaker may mean, the likeliest first; limited in number."""
        said = dict.fromkeys(islice(self._readings(), _MOST_READINGS))
        return list(said) or [self.digits]

    def _readings(self) -> Iterator[str]:
        start = max((at for at, mark in enumerate(self.marks) if mark is Mark.RESTARTED), default=0)
        for atoms_, marks in dict.fromkeys(
            ((self.atoms[start:], self.marks[start:]), (self.atoms, self.marks))
        ):
            yield from _readings(atoms_, marks)


def runs(
    words: Sequence[str], language: str, *, weak: bool = True
) -> tuple[list[Run], list[Token]]:
    """
    The runs in `words`, in order, and the tokens that they refer to.

    `language`: ISO 639; in an unsupported language only digits are found. `weak`: see `atoms`.
    """
    tokens = list(tokenise(words))
    return join(atoms(tokens, language, weak=weak), tokens, language), tokens


def join(numbers: Sequence[Atom], tokens: Sequence[Token], language: str) -> list[Run]:
    """Join numbers that follow each other to runs."""
    lexicon = lexicon_of(language)
    found: list[tuple[list[Atom], list[Mark | None]]] = []
    for atom in numbers:
        glue = _glue(tokens[found[-1][0][-1].last + 1 : atom.first], lexicon) if found else None
        if glue is None:
            found.append(([atom], [None]))
        else:
            found[-1][0].append(atom)
            found[-1][1].append(glue[0])
    return [Run(tuple(joined), tuple(marks)) for joined, marks in found]


def is_glue(tokens: Sequence[Token], language: str) -> bool:
    """Whether `tokens` may stand inside a run, or around it in a segment that has nothing else."""
    return all(_is_glue(token, lexicon_of(language)) for token in tokens)


def _is_glue(token: Token, lexicon: Lexicon) -> bool:
    return (
        token.is_sign
        or token.text in lexicon.fillers
        or token.text in lexicon.corrections
        or token.text in lexicon.negations
        or token.text in lexicon.restarts
    )


def _glue(tokens: Sequence[Token], lexicon: Lexicon) -> tuple[Mark | None] | None:
    """What the tokens between two numbers say; None if they end the run."""
    spoken = [token for token in tokens if not token.is_sign]
    if len(spoken) > _MOST_GLUE or not all(_is_glue(token, lexicon) for token in tokens):
        return None
    said = {token.text for token in spoken}
    if said & lexicon.restarts:
        return (Mark.RESTARTED,)
    if spoken and spoken[-1].text in lexicon.negations:
        return (Mark.NEGATED,)
    return (Mark.CORRECTED,) if said & lexicon.corrections - lexicon.fillers else (None,)


def _readings(numbers: Sequence[Atom], marks: Sequence[Mark | None]) -> Iterator[str]:
    """Readings of one attempt: with its corrections applied, then as said, then with other readings of words."""
    if any(marks):
        corrected = sum(mark is Mark.CORRECTED for mark in marks) or 1
        for replaced in product(range(1, _MOST_REPLACED + 1), repeat=min(3, corrected)):
            yield _corrected(numbers, marks, replaced)
    said = [atom.digits for atom in numbers]
    yield "".join(said)
    unsure = [place for place, atom in enumerate(numbers) if atom.other]
    for count in (1, 2):
        for places in combinations(unsure, count):
            yield "".join(
                numbers[at].other if at in places else digits for at, digits in enumerate(said)
            )


def _corrected(
    numbers: Sequence[Atom], marks: Sequence[Mark | None], replaced: Sequence[int]
) -> str:
    """
    The digits with every correction applied.

    `replaced`: the digits that each correction replaces, in order. `five not nine` replaces the last 9 by 5.
    """
    digits, counts, former, correction = "", iter(replaced), "", ""
    for atom, mark in zip(numbers, marks, strict=True):
        match mark:
            case Mark.CORRECTED:
                cut = next(counts, len(atom.digits))
                former, correction = digits, atom.digits
                digits = digits[: max(0, len(digits) - cut)] + atom.digits
            case Mark.NEGATED if correction and atom.digits in former:
                head, _, tail = former.rpartition(atom.digits)
                digits = head + correction + tail
            case Mark.NEGATED:
                digits = digits.removesuffix(atom.digits)
            case _:
                digits += atom.digits
    return digits
