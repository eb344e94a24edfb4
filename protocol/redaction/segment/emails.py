"""Finds e-mail addresses: written, and spoken (`jane dot doe at example dot com`), also spelled."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

from ...numbers.languages import lexicon_of
from ...numbers.morphemes import split
from ...numbers.tokens import Token
from .address_words import AT, SEPARATORS, TLDS
from .spelled import Places

_LONGEST = 40
"""Tokens of the longest part before or behind the sign."""

_SIGNS = frozenset(".-_+")
_WORDS = frozenset({"at"})
"""Words for the sign that are also something else: a dot and a known ending must follow."""


def emails(tokens: Sequence[Token], language: str) -> list[Places]:
    """The places of the e-mail addresses in `tokens`."""
    found: list[Places] = []
    for at in _signs(tokens, language):
        end = _domain_end(tokens, at + 1, language)
        if end is not None and at > 0:
            found.append((_local_start(tokens, at - 1, language), end))
    return found


def open_address(tokens: Sequence[Token], language: str) -> int | None:
    """The first token of an address that the end of an open segment has cut; None if there is none."""
    signs, last = set(_signs(tokens, language)), len(tokens) - 1
    for at in range(last, max(0, last - _LONGEST), -1):
        if at in signs or _is_dot(tokens, at, language):
            is_one = all(_grows(one, other, language) for one, other in pairwise(tokens[at + 1 :]))
            return _local_start(tokens, at - 1, language) if is_one else None
    return None


def _signs(tokens: Sequence[Token], language: str) -> Iterator[int]:
    said = AT.get(language, frozenset[str]()) | {"@", "arobase", "arroba", "chiocciola"}
    return (place for place, token in enumerate(tokens) if token.text in said)


def _is_dot(tokens: Sequence[Token], at: int, language: str) -> bool:
    """Whether a token separates parts of an address: a word for a sign, or a sign inside a word."""
    if tokens[at].text in _SIGNS:
        return tokens[at].glued and at + 1 < len(tokens) and tokens[at + 1].glued
    return tokens[at].text in _dots(language)


@cache
def _dots(language: str) -> frozenset[str]:
    return frozenset(word for phrase, _ in SEPARATORS.get(language, ()) for word in phrase)


def _domain_end(tokens: Sequence[Token], start: int, language: str) -> int | None:
    """The last token of the domain that begins at `start`; None if there is no domain."""
    end = None
    for place in range(start, min(len(tokens), start + _LONGEST)):
        is_dot = _is_dot(tokens, place, language)
        if place > start and tokens[place].text in TLDS and _is_dot(tokens, place - 1, language):
            end = place
        elif end is not None and not is_dot:
            break
    if end is None and tokens[start - 1].text not in _WORDS and start < len(tokens):
        return start
    return end


def _local_start(tokens: Sequence[Token], last: int, language: str) -> int:
    """The first token of the part before the sign, whose last token is `last`."""
    first = last
    while first > 0 and last - first < _LONGEST:
        is_joint = _is_dot(tokens, first - 1, language) or _is_dot(tokens, first, language)
        is_one = tokens[first].glued or _grows(tokens[first - 1], tokens[first], language)
        if not (is_joint or is_one):
            break
        first -= 1
    return first


def _grows(before: Token, after: Token, language: str) -> bool:
    """Whether two tokens are of one part of an address: spelled letters, and digits."""
    return _is_spelled(before, language) and _is_spelled(after, language)


def _is_spelled(token: Token, language: str) -> bool:
    is_number = token.is_digits or bool(split(token.text, language))
    is_letter = len(token.text) == 1 and not token.is_sign
    return is_letter or is_number or token.text in lexicon_of(language).repeats
