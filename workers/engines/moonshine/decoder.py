"""The decoder of Moonshine, token by token for all rows of a search."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.beam_search import LogProbs, log_softmax
from .sessions import Floats, Net
from .tokens import START

_LAYERS, _HEADS, _HEAD_SIZE = 8, 8, 52

_DECODED = tuple(
    f"past_key_values.{layer}.decoder.{half}"
    for layer in range(_LAYERS)
    for half in ("key", "value")
)
_ENCODED = tuple(name.replace("decoder", "encoder") for name in _DECODED)


class Decoder:
    """
    The decoder at one utterance: the encoder's keys and values, and those of the rows decoded so far.

    All rows share the encoder's; onnxruntime broadcasts them.  Repeated for four rows, every step would read four
    times as much: for 8 s of audio a third of its time, for the same result to the last bit.
    """

    def __init__(self, step: Net, heard: Sequence[Floats]) -> None:
        self._step = step
        self._heard = heard
        self._rows: Sequence[tuple[int, ...]] = [()]
        self._looked: dict[tuple[int, ...], Sequence[Floats]] = {}
        self._written: Sequence[Floats] = ()

    def begin(self, tokens: Sequence[int]) -> Floats:
        """Begin again with one row of `tokens`.  Returns the logits of the token after each of them."""
        self._rows = [()]
        empty = np.zeros((1, _HEADS, 0, _HEAD_SIZE), dtype=np.float32)
        self._written = [empty] * len(_DECODED)
        return self.read(tokens)

    def keep(self, tokens: int) -> None:
        """Keep only the first `tokens` of each row."""
        self._rows = [row[:tokens] for row in self._rows]
        if self._written[0].shape[2] > tokens:
            self._written = [np.ascontiguousarray(each[:, :, :tokens]) for each in self._written]

    def read(self, tokens: Sequence[int]) -> Floats:
        """Continue the only row with `tokens`.  Returns the logits of the token after each of them."""
        logits: Floats = self._run(np.array([tokens], dtype=np.int64))[0]
        return logits

    def follow(self, tokens: Sequence[int], parents: Sequence[int]) -> LogProbs:
        """Log-probabilities of the token after each of `tokens`, which continue the rows `parents`."""
        if list(parents) != list(range(len(self._rows))):
            self._written = [each[list(parents)] for each in self._written]
        self._rows = [self._rows[row] for row in parents]
        return log_softmax(self._run(np.array(tokens, dtype=np.int64)[:, np.newaxis])[:, -1])

    def _run(self, tokens: npt.NDArray[np.int64]) -> Floats:
        """The logits of the token after each of `tokens`, `[rows, tokens, vocabulary]`."""
        feed: dict[str, npt.NDArray[Any]] = dict(zip(_DECODED, self._written, strict=True))
        feed |= zip(_ENCODED, self._heard, strict=True)
        feed["input_ids"] = tokens
        logits, *more = self._step.run(None, feed)
        self._written = more[: len(_DECODED)]
        self._remember(tokens, more[len(_DECODED) :])
        return logits

    def _remember(self, tokens: npt.NDArray[np.int64], looked: Sequence[Floats]) -> None:
        """Keep the attentions of each row behind each of `tokens`."""
        for place, added in enumerate(tokens.tolist()):
            row = self._rows[place]
            for step, token in enumerate(added):
                row = (*row, token)
                self._looked[row] = [each[place, :, step] for each in looked]
        self._rows = [
            (*row, *added) for row, added in zip(self._rows, tokens.tolist(), strict=True)
        ]

    def attentions(self, tokens: Sequence[int]) -> Sequence[Sequence[Floats]]:
        """
        The attentions to the audio before each token of a row that was decoded, and before its end.

        `[heads, frames]` of each of `alignment.LAYERS`.  Without the end, if the search was cut off before it.
        """
        rows = ((START, *tokens[:length]) for length in range(len(tokens) + 1))
        return [self._looked[row] for row in rows if row in self._looked]
