"""
Redaction: replaces words of sensitive numbers by a tag.

Pure. Supports English number words, and digits in any language. In doubt it redacts too much: card numbers are
often read in groups with pauses between them, and each segment is checked alone.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..events import Word

_UNITS = frozenset(
    {
        "zero",
        "oh",
        "o",
        "nought",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
    }
)
_TEENS = frozenset(
    {
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    }
)
_TENS = frozenset(
    {"twenty", "thirty", "forty", "fourty", "fifty", "sixty", "seventy", "eighty", "ninety"}
)
_DIGITS = (
    dict.fromkeys(_UNITS, 1)
    | dict.fromkeys(_TEENS | _TENS, 2)
    | {"hundred": 2, "thousand": 3, "million": 6, "double": 1, "triple": 2, "treble": 2}
)
"""Number of digits of a number word. `double`, `triple`: added to the digits of the next word."""

_JOINING = frozenset({"and", "dash", "hyphen", "space", "point", "slash", "uh", "um"})
"""Words that may occur inside a number."""

_SIGNS = re.compile(r"[\s.,;:!?()/+#'\"–—-]+")

_CODE_CUES = frozenset({"cvv", "cvc", "cvv2", "cvc2", "security", "verification", "expiry"})
_CODE_CUES_BEGIN = "expir"
_SSN_CUES = frozenset({"ssn", "social"})


class Redact(StrEnum):
    """Kinds of numbers to redact."""

    PCI = "pci"
    """Card numbers, and short numbers in a segment with words for security code or expiry."""

    NUMBERS = "numbers"
    """Every number of at least three digits."""

    SSN = "ssn"
    """US social security numbers: nine digits, or two and more in a segment with the word `social` or `SSN`."""


_TAGS = {
    Redact.PCI: "[CREDIT_CARD]",
    Redact.NUMBERS: "[NUMBER]",
    Redact.SSN: "[SSN]",
}


@dataclass(frozen=True, slots=True)
class _Run:
    """The words of one number: `words[start:end]`."""

    start: int
    end: int
    digits: int


def redacted(
    words: Sequence[Word], kinds: frozenset[Redact], *, growing: bool = False
) -> tuple[Word, ...]:
    """
    Replace each sensitive number in `words` by one tag with the times of the number.

    `growing`: more words may follow, so a number at the end is redacted even if it is still too short.
    """
    if not kinds:
        return tuple(words)
    kept: list[Word] = []
    position = 0
    for run in _runs(words):
        kept += words[position : run.start]
        number = words[run.start : run.end]
        kind = _kind(run, words, kinds, unfinished=growing and run.end == len(words))
        kept += [_tag(number, kind)] if kind else number
        position = run.end
    return (*kept, *words[position:])


def _kind(
    run: _Run, words: Sequence[Word], kinds: frozenset[Redact], *, unfinished: bool
) -> Redact | None:
    """The most specific kind under which a number is redacted; None if it is kept."""
    context = {_bare(word.text) for word in words}
    of_card = any(cue in _CODE_CUES or cue.startswith(_CODE_CUES_BEGIN) for cue in context)
    found = (
        (Redact.SSN, run.digits == 9 or (bool(context & _SSN_CUES) and run.digits >= 2)),
        (Redact.PCI, run.digits >= 4 or (of_card and run.digits >= 2)),
        (Redact.NUMBERS, run.digits >= 3),
    )
    return next((kind for kind, it_is in found if kind in kinds and (it_is or unfinished)), None)


def _runs(words: Sequence[Word]) -> Iterator[_Run]:
    start, end, digits, in_tens = 0, 0, 0, False
    for place, word in enumerate(words):
        count = _count(word.text)
        if count == 0 and digits and _bare(word.text) in _JOINING:
            continue
        if count == 0:
            if digits:
                yield _Run(start, end, digits)
            digits = 0
            continue
        if not digits:
            start = place
        bare = _bare(word.text)
        digits += 0 if in_tens and bare in _UNITS else count  # twenty one is 21
        in_tens, end = bare in _TENS, place + 1
    if digits:
        yield _Run(start, end, digits)


def _count(text: str) -> int:
    """Number of digits of a word; 0 if it is not a number or contains other text."""
    pieces = [piece for piece in _SIGNS.split(text.lower()) if piece]
    if not pieces:
        return 0
    counts = [len(piece) if piece.isdigit() else _DIGITS.get(piece, 0) for piece in pieces]
    return sum(counts) if all(counts) else 0


def _bare(text: str) -> str:
    return _SIGNS.sub("", text.lower())


def _tag(number: Sequence[Word], kind: Redact) -> Word:
    sure = [word.confidence for word in number if word.confidence is not None]
    return Word(_TAGS[kind], number[0].start, number[-1].end, min(sure) if sure else None)
