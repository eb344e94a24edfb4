"""From the tokens of a transducer to words: pieces of SentencePiece, without the model's language tags.  Pure."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Protocol

from .transducer import Emission

_TAG = re.compile(r"<[a-z]{2,3}-[A-Z]{2}>")
"""The model writes the language that it heard: `<en-US>`."""

_WORD_BEGINS = "▁"


class Tokenizer(Protocol):
    """What is needed of `tokenizers.Tokenizer`."""

    def id_to_token(self, id: int) -> str | None:  # noqa: A002 - the name that the library gives it
        """The piece with a number; None if there is none."""
        ...

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:  # noqa: FBT001, FBT002
        """The text of pieces."""
        ...


@dataclass(frozen=True, slots=True)
class Spelled:
    """A word: its text, the first and the last frame at which its tokens were written, their log-probabilities."""

    text: str
    first: int
    last: int
    log_probs: tuple[float, ...]

    @property
    def probability(self) -> float:
        """Product of the probabilities of its tokens."""
        return math.exp(sum(self.log_probs))

    @property
    def log_prob(self) -> float:
        """Mean over its tokens."""
        return fmean(self.log_probs)


def spelled(emissions: Sequence[Emission], tokenizer: Tokenizer) -> list[Spelled]:
    """
    The words of `emissions`, in order.

    In a script without spaces, as in Japanese, all is one word.
    """
    words = [_spelled(word, tokenizer) for word in _divided(emissions, tokenizer)]
    return [word for word in words if word.text]


def _divided(emissions: Sequence[Emission], tokenizer: Tokenizer) -> list[list[Emission]]:
    """The emissions of each word, without tags that are one piece."""
    words: list[list[Emission]] = []
    for one in emissions:
        piece = tokenizer.id_to_token(one.token) or ""
        if _TAG.fullmatch(piece.lstrip(_WORD_BEGINS)):
            continue
        if piece.startswith(_WORD_BEGINS) or not words:
            words.append([])
        words[-1].append(one)
    return words


def _spelled(word: Sequence[Emission], tokenizer: Tokenizer) -> Spelled:
    text = _TAG.sub("", tokenizer.decode([one.token for one in word])).strip()
    begins = next(
        (one.frame for one in word if tokenizer.id_to_token(one.token) != _WORD_BEGINS),
        word[0].frame,
    )
    return Spelled(text, begins, word[-1].frame, tuple(one.log_prob for one in word))
