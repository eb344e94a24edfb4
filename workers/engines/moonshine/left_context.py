"""
The speech before a short final as context of the search: its audio before the segment's, its text as a prefix.

The encoder hears both, with the pause between them shortened; the decoder is given the text that is final already
and writes on.  So nothing has to be aligned or thrown away, and the search takes no more tokens than without
context.  Pure, but for the decoder that `Continued` wraps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from protocol.clock import ENGINE_RATE

from ..base import Effort, Samples, Utterance
from ..common.beam_search import LogProbs
from .alignment import FRAME
from .second_view import View
from .sessions import Floats
from .tokens import Spelled, Vocabulary

_TAIL, _HEAD = 3 * ENGINE_RATE // 10, 2 * ENGINE_RATE // 10
"""
Samples of a pause that are left out: of the after-roll of the speech before, and of the pre-roll of the segment.

What remains is a pause of about 0.2 s, as within a sentence.
"""

_PUNCTUATION = ".,?!;:"


class LookingView(View, Protocol):
    """A view that keeps the attentions to the audio; see `decoder.Decoder`."""

    def attentions(self, tokens: Sequence[int]) -> Sequence[Sequence[Floats]]:
        """The attentions before each token of a row that was decoded, and before its end."""
        ...


class Continued:
    """A decoder at audio with context: its rows begin behind `prefix`, its frames behind those of the context."""

    def __init__(self, decoder: LookingView, prefix: Sequence[int], context: int) -> None:
        """`prefix`: tokens of the context's text; `context`: samples of the joined audio before the segment's."""
        self._decoder = decoder
        self._prefix = list(prefix)
        self._frames = max(0, context) // FRAME

    def begin(self, tokens: Sequence[int]) -> Floats:
        """See View.  `tokens`: the start token, then a draft."""
        start, *draft = tokens
        return self._decoder.begin([start, *self._prefix, *draft])[len(self._prefix) :]

    def read(self, tokens: Sequence[int]) -> Floats:
        """See View."""
        return self._decoder.read(tokens)

    def keep(self, tokens: int) -> None:
        """See View."""
        self._decoder.keep(len(self._prefix) + tokens)

    def follow(self, tokens: Sequence[int], parents: Sequence[int]) -> LogProbs:
        """See View."""
        return self._decoder.follow(tokens, parents)

    def attentions(self, tokens: Sequence[int]) -> Sequence[Sequence[Floats]]:
        """See LookingView: only before `tokens`, and only those to the audio of the segment."""
        looked = self._decoder.attentions([*self._prefix, *tokens])[len(self._prefix) :]
        return [[layer[:, self._frames :] for layer in layers] for layers in looked]


@dataclass(frozen=True, slots=True)
class Context:
    """The audio of a segment joined to that before it."""

    samples: Samples = field(repr=False)
    start: int
    """Where the audio of the segment would begin in `samples`, had no pause been shortened."""

    prefix: tuple[int, ...] = field(repr=False)
    """The tokens of the text before."""


def context_of(utterance: Utterance, vocabulary: Vocabulary, longest: int) -> Context | None:
    """
    The context in which a final is decoded.

    None if there is none, if the whole is longer than `longest` samples, or if there is too little of either.
    """
    before, samples = utterance.before, utterance.samples
    if before is None or utterance.effort is not Effort.FINAL:
        return None
    tail, head = (0, 0) if before.adjoins else (_TAIL, _HEAD)
    kept = before.samples[: max(0, len(before.samples) - tail)]
    is_long_enough = len(kept) > tail and len(samples) > 2 * head
    prefix = prefix_of(vocabulary, before.text)
    if not prefix or not is_long_enough or len(kept) + len(samples) - head > longest:
        return None
    return Context(np.concatenate([kept, samples[head:]]), len(kept) - head, prefix)


def prefix_of(vocabulary: Vocabulary, text: str) -> tuple[int, ...]:
    """The tokens of a text that goes on: without the punctuation at its end, which may be that of a pause."""
    bare = text.rstrip(_PUNCTUATION + " ")
    return vocabulary.tokens(bare) if bare else ()


def without_first_signs(words: Sequence[Spelled]) -> Sequence[Spelled]:
    """`words` without punctuation before the first of them, which belongs to the text before it."""
    first = next(
        (place for place, word in enumerate(words) if any(map(str.isalnum, word.text))), len(words)
    )
    return words[first:]
