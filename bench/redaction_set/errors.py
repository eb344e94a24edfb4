"""Errors of a recogniser in a number: a word is lost, wrong, sounds alike, is added, or is cut in two."""

from collections.abc import Sequence
from random import Random

from protocol.numbers.languages import lexicon_of
from protocol.numbers.morphemes import split
from protocol.numbers.tokens import fold

from . import phrases
from .case import Case, Line
from .spell import spell

_ERRORS = ("lost", "wrong", "alike", "added", "cut")
_SIGNS = (" ", " ", ", ", "-", ". ")
"""What stands between the parts of a number that is cut in two."""


def misheard(case: Case, place: int, random: Random) -> Case:
    """The case with one error in its number. `place`: its place in the set; the kinds of errors take turns."""
    error = _ERRORS[place % len(_ERRORS)]
    at = random.choice([at for at, line in enumerate(case.lines) if line.secret])
    lines = (*case.lines[:at], _with(error, case, case.lines[at], random), *case.lines[at + 1 :])
    return Case("card_misheard", f"{case.style}, {error}", case.language, lines)


def _with(error: str, case: Case, line: Line, random: Random) -> Line:
    start, end = line.secret or (0, 0)
    at = random.randrange(start, end)
    if error == "alike":
        known = phrases.ALIKE[case.language]
        at = random.choice([one for one in range(start, end) if line.words[one] in known] or [at])
    replaced = _replaced(error, line.words[at], case.language, end - start, random)
    words = (*line.words[:at], *replaced, *line.words[at + 1 :])
    end += len(replaced) - 1
    while words[end - 1] in phrases.JOINERS:
        end -= 1
    is_unsure = error == "added" or (bool(replaced) and replaced[0] in phrases.NO_DIGITS)
    return Line(line.channel, words, (start, end), at if is_unsure else None)


def _replaced(error: str, word: str, language: str, count: int, random: Random) -> Sequence[str]:
    """What the recogniser writes for a word of a number. `count`: words of the number in its segment."""
    digit = random.randrange(10)
    match error:
        case "lost" if word[0].isdigit():
            cut = random.randrange(len(word))
            return (word[:cut] + word[cut + 1 :]).split()
        case "lost" if count > 1:
            return ()
        case "alike" if word in phrases.ALIKE[language]:
            return (phrases.ALIKE[language][word],)
        case "added":
            return (random.choice(phrases.ADDED[language].split()), word)
        case "cut":
            return _cut_in_two(word, language, random)
        case _ if word[0].isdigit():
            cut = random.randrange(len(word))
            return (word[:cut] + str(digit) + word[cut + 1 :],)
        case _:
            return (spell(digit, language),)


def _cut_in_two(word: str, language: str, random: Random) -> Sequence[str]:
    """A written group in two parts; a compound in its parts; a digit word as a written digit."""
    bare = word.rstrip(",.")
    if bare.isdigit() and len(bare) > 1:
        at = random.randrange(1, len(bare))
        return (bare[:at] + random.choice(_SIGNS) + word[at:]).split()
    parts = split(fold(bare), language)
    if len(parts) == 1 and parts[0][1] < 10:
        return (word.replace(bare, str(parts[0][1])),)
    if len(parts) > 1 and lexicon_of(language).compound:
        return _halves(fold(bare), language, random) or (word,)
    return (word,)


def _halves(word: str, language: str, random: Random) -> Sequence[str]:
    cuts = [
        at
        for at in range(2, len(word) - 1)
        if split(word[:at], language) and split(word[at:], language)
    ]
    if not cuts:
        return ()
    at = random.choice(cuts)
    return word[:at], word[at:]
