"""
Joins the parts of a number that an error of a recogniser has separated.

Recognisers write a wrong word in the place of a digit, or add a short word between two digits. The parts are joined
only if they can be one card number together, so that two numbers of a sentence stay two.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from ...numbers.languages import lexicon_of
from ...numbers.months import MONTHS
from ...numbers.runs import Run, is_glue
from ...numbers.tokens import Token
from .card_numbers import LONGEST, SHORTEST
from .card_runs import begins_card, has_card
from .cues import CARD_TOPICS, Cue

_MOST_DIGITS = 3 * LONGEST
"""Digits of the longest number that is joined: a card number with restarts."""

_LEAST_NAMED = 8
"""Digits of the shortest number that is joined after words for a card number."""

_LEAST_OPEN = 3
"""The same, with a part that may follow."""

_LEAST_ALONE = 6
"""The same in a segment that has nothing else than digits."""

_LONGEST_ADDED = 4
"""Characters of the longest word that recognisers add before the first digit of a segment."""

_ONE_LETTER_WORDS = frozenset("aoeyi")


def joined(
    found: Sequence[Run], tokens: Sequence[Token], phrases: Sequence[Cue], language: str
) -> list[Run]:
    """The runs of a segment, with those joined that are one number. `phrases`: its cues."""
    if len(found) < 2:
        return list(found)
    cues = {place for cue in phrases for place in range(cue.first, cue.last + 1)}
    joined_runs: list[Run] = []
    for chain in _chains(found, tokens, cues, language):
        joined_runs += _parts(chain, tokens, phrases, language)
    return joined_runs


def may_be_added(tokens: Sequence[Token], end: int, language: str) -> bool:
    """Whether the tokens before `end`, the first digit of a segment, are fillers and at most one short word."""
    added = ""
    for place in range(end - 1, -1, -1):
        if not _is_glue(tokens[place], language):
            if added or len(tokens[place].text) > _LONGEST_ADDED:
                return False
            added = tokens[place].text
    return True


def open_number(
    found: Sequence[Run], tokens: Sequence[Token], phrases: Sequence[Cue], language: str
) -> int | None:
    """
    The first token of a number that the end of an open segment may have cut; None if there is none.

    Behind it are only fillers, and at most one other word if it has several digits or a card is named. Behind a
    word that says what the number is, it has ended. `phrases`: the cues of the segment.
    """
    if not found or (phrases and phrases[-1].last > found[-1].last):
        return None
    behind = range(found[-1].last + 1, len(tokens))
    others = sum(not _is_glue(tokens[at], language) for at in behind)
    cues = {place for cue in phrases for place in range(cue.first, cue.last + 1)}
    *_, chain = _chains(found, tokens, cues, language)
    is_card = bool(phrases) and phrases[-1].topic in CARD_TOPICS
    if others <= 1 and (is_card or sum(len(run.digits) for run in chain) >= _LEAST_OPEN):
        return chain[0].first
    return found[-1].first if others == 0 else None


def may_be_misheard(tokens: Sequence[Token], start: int, language: str) -> bool:
    """Whether the tokens from `start` on, behind the last digit, are fillers and homophones of digits."""
    return all(_is_glue(tokens[place], language) for place in range(start, len(tokens)))


def _is_glue(token: Token, language: str) -> bool:
    """Fillers, homophones of digits, and `double` without its digit."""
    lexicon = lexicon_of(language)
    return (
        is_glue((token,), language) or token.text in lexicon.weak or token.text in lexicon.repeats
    )


def _chains(
    found: Sequence[Run], tokens: Sequence[Token], cues: Iterable[int], language: str
) -> Iterator[list[Run]]:
    """Runs with at most one other word between each two."""
    stops, chain = frozenset(cues), [found[0]]
    for run in found[1:]:
        gap = range(chain[-1].last + 1, run.first)
        others = [place for place in gap if not _is_glue(tokens[place], language)]
        if len(others) > 1 or any(at in stops or _names_something(tokens[at]) for at in others):
            yield chain
            chain = []
        chain.append(run)
    yield chain


def _names_something(token: Token) -> bool:
    """Whether a word is no error of a recogniser: a month, or a spelled letter."""
    is_letter = len(token.text) == 1 and token.text not in _ONE_LETTER_WORDS
    return is_letter or token.text in MONTHS


def _parts(
    chain: Sequence[Run], tokens: Sequence[Token], phrases: Sequence[Cue], language: str
) -> list[Run]:
    """The runs of a chain, with those as one that are one number."""
    parts, start = list[Run](), 0
    while start < len(chain):
        end = _reach(chain, start)
        if end - start > 1 and _is_one_number(chain[start:end], tokens, phrases, language):
            parts.append(_join(chain[start:end]))
            start = end
        else:
            parts.append(chain[start])
            start += 1
    return parts


def _reach(chain: Sequence[Run], start: int) -> int:
    """The end of the runs from `start` on that are short enough to be one number."""
    count, end = 0, start
    while end < len(chain):
        count += sum(len(atom.digits) for atom in chain[end].atoms[: _MOST_DIGITS + 1])
        if count > _MOST_DIGITS:
            break
        end += 1
    return end


def _join(chain: Sequence[Run]) -> Run:
    return Run(
        tuple(atom for run in chain for atom in run.atoms),
        tuple(mark for run in chain for mark in run.marks),
    )


def _is_one_number(
    chain: Sequence[Run], tokens: Sequence[Token], phrases: Sequence[Cue], language: str
) -> bool:
    count = sum(len(run.digits) for run in chain)
    if all(has_card(run) for run in chain):
        return False
    before = bisect_left(phrases, chain[0].first, key=lambda cue: cue.last)
    if before and phrases[before - 1].topic in CARD_TOPICS and count >= _LEAST_NAMED:
        return True
    if count >= SHORTEST - 1 and begins_card(chain[0]):
        return True
    is_alone = may_be_added(tokens, chain[0].first, language) and may_be_misheard(
        tokens, chain[-1].last + 1, language
    )
    return is_alone and count >= _LEAST_ALONE
