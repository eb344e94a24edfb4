"""Moonshine's vocabulary of 27,000 English tokens: from tokens to words, and from text to tokens."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .english_tokens import BYTES_END, english

Places = npt.NDArray[np.int64]
START, END = 1, 2
_SPACE = "▁".encode()
_FIRST_BYTE, _FIRST_PIECE = 3, BYTES_END
"""Tokens 0 to 2 are control tokens; then come the 256 bytes, then pieces in the order of their merging."""


@dataclass(frozen=True, slots=True)
class Spelled:
    """A word and its probability."""

    text: str
    probability: float
    """Product of the probabilities of its tokens."""

    tokens: int = 1
    start: int = 0
    """Place of its first token in the row."""

    @property
    def places(self) -> range:
        """Those of its tokens in the row."""
        return range(self.start, self.start + self.tokens)

    @property
    def log_prob(self) -> float:
        """Mean over its tokens."""
        return math.log(max(self.probability, 1e-12)) / self.tokens


@dataclass(frozen=True)
class Vocabulary:
    """The bytes of each token.  A word begins with `▁` (SentencePiece, Kudo and Richardson 2018)."""

    pieces: tuple[bytes, ...] = field(repr=False)
    ranks: dict[bytes, int] = field(repr=False)
    """
    The token of each piece except the bytes.

    Of two possible merges, the one with the lower token comes first.
    """

    def spell(self, tokens: Sequence[int], probabilities: Sequence[float]) -> tuple[Spelled, ...]:
        """The words that `tokens` write."""
        words: list[tuple[bytes, float, int, int]] = []
        for place, (token, probability) in enumerate(zip(tokens, probabilities, strict=True)):
            piece = self.pieces[token] if _FIRST_BYTE <= token < len(self.pieces) else b""
            if piece.startswith(_SPACE) or not words:
                words.append((piece.replace(_SPACE, b""), probability, 1, place))
            else:
                written, sure, count, start = words[-1]
                words[-1] = (written + piece, sure * probability, count + 1, start)
        spelled = (
            Spelled(written.decode(errors="replace").strip(), sure, count, start)
            for written, sure, count, start in words
        )
        return tuple(word for word in spelled if word.text)

    def tokens(self, text: str) -> tuple[int, ...]:
        """The tokens that the model writes for `text` inside a sentence, that is with a space before it."""
        pieces = [sign.encode() for sign in "▁" + text.strip().replace(" ", "▁")]
        while (at := self._next_merge(pieces)) is not None:
            pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
        return tuple(token for piece in pieces for token in self._as_tokens(piece))

    def is_sign(self, token: int) -> bool:
        """Whether a token is punctuation that is written to the word before it."""
        piece = self.pieces[token].decode(errors="replace") if token < len(self.pieces) else ""
        return bool(piece) and not any(sign.isalnum() or sign in "▁\ufffd" for sign in piece)

    def ends_sentence(self, token: int) -> bool:
        """Whether a token is a sign at the end of a sentence, or that of the text."""
        return token == END or self.pieces[token] in (b".", b"?", b"!")

    @cached_property
    def capitals(self) -> tuple[Places, Places]:
        """The tokens that begin a word with a small letter and have a twin with a capital, and these twins."""
        twins = {
            token: self.ranks[capital]
            for piece, token in self.ranks.items()
            if piece.startswith(_SPACE) and (capital := _capital(piece)) in self.ranks
            if capital != piece
        }
        return np.array(list(twins)), np.array(list(twins.values()))

    @cached_property
    def stop(self) -> tuple[int, ...]:
        """The token of a full stop behind a word."""
        return (self.ranks[b"."],) if b"." in self.ranks else ()

    def _next_merge(self, pieces: Sequence[bytes]) -> int | None:
        """The index at which byte pair encoding joins two pieces next, or None at its end."""
        pairs = [left + right for left, right in pairwise(pieces)]
        ranked = [(self.ranks[pair], at) for at, pair in enumerate(pairs) if pair in self.ranks]
        return min(ranked)[1] if ranked else None

    def _as_tokens(self, piece: bytes) -> list[int]:
        """The token of a piece, or the tokens of its bytes if the piece has none."""
        if piece in self.ranks:
            return [self.ranks[piece]]
        return [_FIRST_BYTE + byte for byte in piece]


def _capital(piece: bytes) -> bytes:
    """The piece with its first letter in upper case, if that is an ASCII letter."""
    first = len(_SPACE)
    return piece[:first] + piece[first : first + 1].upper() + piece[first + 1 :]


def read_vocabulary(path: Path) -> Vocabulary:
    """Read the English tokens of the vendor's `tokenizer.bin`, numbered as in our graphs (`english_tokens`)."""
    whole = read_pieces(path)
    pieces = tuple(whole[token] for token in english(whole))
    ranks = {piece: token for token, piece in enumerate(pieces) if token >= _FIRST_PIECE}
    return Vocabulary(pieces, ranks)


def read_pieces(path: Path) -> list[bytes]:
    """
    Read the vendor's `tokenizer.bin`: for each token its length, then its bytes.

    A length of 128 or more takes two bytes: the first minus 128, plus 128 times the second.
    """
    content, at = path.read_bytes(), 0
    pieces: list[bytes] = []
    while at < len(content):
        length, at = content[at], at + 1
        if length >= 128:
            length, at = length - 128 + 128 * content[at], at + 1
        pieces.append(content[at : at + length])
        at += length
    return pieces
