"""The words of one language that make numbers. Words are folded: lower case, no accents (see `tokens.fold`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto


class Kind(Enum):
    """What a morpheme does in a number word."""

    UNIT = auto()
    """0 to 9."""

    TEEN = auto()
    """10 to 19."""

    TENS = auto()
    """20, 30 ... 90."""

    PAIR = auto()
    """A whole number below 100 in one morpheme that takes no unit after it, such as `veintiuno`."""

    HUNDRED = auto()
    """Times 100."""

    HUNDREDS = auto()
    """100, 200 ... 900 in one morpheme, such as `doscientos`."""

    THOUSAND = auto()
    MILLION = auto()
    AND = auto()


@dataclass(frozen=True, slots=True)
class Morpheme:
    """One part of a number word. `token`: index of the token that it is in."""

    kind: Kind
    value: int
    token: int = 0


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The number words of one language, and the words that people say between digits."""

    language: str
    morphemes: Mapping[str, tuple[Kind, int]]
    weak: Mapping[str, int] = field(default_factory=dict)
    """Words that are digits only between two other numbers: homophones (`for`) and articles (`ein`)."""

    compound: bool = False
    """Number words are written together: `zweiundvierzig`."""

    units_first: bool = False
    """`zweiundvierzig`: the unit, `and`, the tens."""

    and_in_tens: bool = False
    """`cuarenta y dos`: tens and unit are joined by `and` only."""

    scores: bool = False
    """French: `soixante-douze` is 72, `quatre-vingts` is 80."""

    repeats: Mapping[str, int] = field(default_factory=dict)
    """`double`, `triple`: how often the next digit is meant."""

    times: frozenset[str] = frozenset()
    """`fois`, `mal`: `trois fois zero` is 000."""

    articles: frozenset[str] = frozenset()
    """Words between `times` and its digit: `dreimal die Null`."""

    fillers: frozenset[str] = frozenset()
    """Words that may stand between two digits of one number."""

    corrections: frozenset[str] = frozenset()
    """Words after which the speaker says the last digits again: `no`, `sorry`."""

    negations: frozenset[str] = frozenset()
    """The digits after these words are not meant: `not nine`."""

    restarts: frozenset[str] = frozenset()
    """Words after which the whole number begins again."""


def numbered(words: str, first: int = 0, step: int = 1) -> dict[str, int]:
    """Number the space-separated `words` from `first` on; alternatives of one number are joined by `/`."""
    return {
        word: first + step * place
        for place, group in enumerate(words.split())
        for word in group.split("/")
    }


def morphemes(
    *,
    units: str,
    teens: str,
    tens: str,
    hundred: str,
    thousand: str,
    million: str,
    joiner: str = "",
    pairs: Mapping[str, int] | None = None,
    hundreds: Mapping[str, int] | None = None,
) -> dict[str, tuple[Kind, int]]:
    """The morphemes of a language from its lists. `units` from 0, `teens` from 10, `tens` from 20 on."""
    tables = (
        (Kind.AND, dict.fromkeys(joiner.split(), 0)),
        (Kind.UNIT, numbered(units)),
        (Kind.TEEN, numbered(teens, 10)),
        (Kind.TENS, numbered(tens, 20, 10)),
        (Kind.PAIR, pairs or {}),
        (Kind.HUNDRED, dict.fromkeys(hundred.split(), 100)),
        (Kind.HUNDREDS, hundreds or {}),
        (Kind.THOUSAND, dict.fromkeys(thousand.split(), 1_000)),
        (Kind.MILLION, dict.fromkeys(million.split(), 1_000_000)),
    )
    return {word: (kind, value) for kind, table in tables for word, value in table.items()}


def words(text: str) -> frozenset[str]:
    """The space-separated words of `text`."""
    return frozenset(text.split())


Phrase = tuple[str, ...]
"""The words of a phrase, folded."""


def phrases(text: str) -> tuple[Phrase, ...]:
    """Phrases that are separated by commas, the longest first."""
    return tuple(sorted((tuple(one.split()) for one in text.split(",")), key=len, reverse=True))
