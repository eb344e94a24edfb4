"""Splits recognised words into tokens: folded words, and the digits and letters that engines write together."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_PIECE = re.compile(r"\d+|[^\W\d_]+(?:['’][^\W\d_]+)*|[^\w\s]|_")
_LONGEST_WORD = 200
"""Characters of a word that are read. A longer word is no word: it is read up to here, and masked as a whole."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a word. `word`: index of the recognised word that it is in."""

    text: str
    """Folded: lower case, no accents. Digits are ASCII digits. A sign is itself."""

    word: int
    glued: bool = False
    """The token before it is in the same word."""

    upper: bool = False
    """Written in capital letters only."""

    @property
    def is_digits(self) -> bool:
        """Whether the token is written digits."""
        return self.text.isdigit()

    @property
    def is_sign(self) -> bool:
        """Whether the token is punctuation or another sign."""
        return not self.text[0].isalnum()


def fold(text: str) -> str:
    """Lower case without accents; `ß` becomes `ss`, and digits of any script become ASCII digits."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold().replace("’", "'"))
    return "".join(
        str(unicodedata.decimal(one)) if one.isdecimal() else one
        for one in plain
        if not unicodedata.combining(one)
    )


def tokenise(words: Sequence[str]) -> tuple[Token, ...]:
    """The tokens of `words`, in order."""
    return tuple(token for place, word in enumerate(words) for token in _tokens(word, place))


def _tokens(word: str, place: int) -> list[Token]:
    pieces = _pieces_of_letters(word) if word.isalpha() else _pieces(word)
    return [
        Token(folded, place, number > 0, upper) for number, (folded, upper) in enumerate(pieces)
    ]


def _pieces(word: str) -> list[tuple[str, bool]]:
    """The pieces, folded, and whether each is in capital letters. Those that fold to nothing are left out."""
    pieces = _PIECE.findall(word[:_LONGEST_WORD])
    return [(folded, piece.isupper()) for piece in pieces if (folded := fold(piece))]


@lru_cache(maxsize=8_192)
def _pieces_of_letters(word: str) -> tuple[tuple[str, bool], ...]:
    """The same for a word without digits, which may stay in memory."""
    return tuple(_pieces(word))
