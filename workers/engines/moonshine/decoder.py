"""The decoder of Moonshine, token by token for all rows of a search."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.beam_search import LogProbs, log_softmax
from .sessions import Floats, Net
from .tokens import END, START

_LAYERS, _HEADS, _HEAD_SIZE = 8, 8, 52

_DECODED = tuple(
    f"past_key_values.{layer}.decoder.{half}"
    for layer in range(_LAYERS)
    for half in ("key", "value")
)
_ENCODED = tuple(name.replace("decoder", "encoder") for name in _DECODED)


@dataclass(frozen=True, slots=True)
class _Decoded:
    """Rows of equal length, with the keys and values of each layer: `[rows, heads, tokens, size]`."""

    rows: Sequence[tuple[int, ...]]
    written: Sequence[Floats] = field(repr=False)

    def beginning(self, place: int, tokens: int) -> Sequence[Floats]:
        """The keys and values of the first `tokens` of one row."""
        return [each[place : place + 1, :, :tokens] for each in self.written]


@dataclass(frozen=True, slots=True)
class _Known:
    """A row that was decoded: the logits of its next token, and where its keys and values are."""

    logits: Floats = field(repr=False)
    decoded: _Decoded = field(repr=False)
    place: int


_NOTHING = _Decoded([()], [np.zeros((1, _HEADS, 0, _HEAD_SIZE), dtype=np.float32)] * len(_DECODED))


class Decoder:
    """
    The decoder at one utterance: the encoder's keys and values, and those of the rows decoded so far.

    A single row, the trunk, is decoded by many tokens at once (`begin`, `extend`).  A search of several rows after
    it (`rewind`, `follow`) runs the decoder only for rows that were not decoded yet.

    All rows share the encoder's keys and values; onnxruntime broadcasts them.  Repeated for four rows, every step
    would read four times as much: for 8 s of audio a third of its time, for the same result to the last bit.
    """

    def __init__(self, step: Net, heard: Sequence[Floats]) -> None:
        self._step = step
        self._heard = heard
        self._looked: dict[tuple[int, ...], Sequence[Floats]] = {}
        self._known: dict[tuple[int, ...], _Known] = {}
        self._trunk = _NOTHING
        self._rows: Sequence[tuple[int, ...]] = [()]

    def begin(self, tokens: Sequence[int]) -> LogProbs:
        """Begin again with one row of `tokens`.  Returns the log-probabilities of the token after each of them."""
        self._trunk = _NOTHING
        self._known = {}
        return self.extend(tokens)

    def extend(self, tokens: Sequence[int]) -> LogProbs:
        """Go on with the one row.  Returns the log-probabilities of the token after each of `tokens`."""
        self._trunk = self._run(self._trunk, [tokens])
        (row,) = self._trunk.rows
        lengths = range(len(row) - len(tokens) + 1, len(row) + 1)
        return log_softmax(np.array([self._known[row[:length]].logits for length in lengths]))

    def keep(self, tokens: int) -> None:
        """Keep only the first `tokens` of the one row."""
        (row,) = self._trunk.rows
        if len(row) > tokens:
            self._trunk = _Decoded([row[:tokens]], _joined([self._trunk.beginning(0, tokens)]))

    def rewind(self, behind: int = 0) -> LogProbs:
        """
        Begin a search of several rows behind the start token.  Returns the log-probabilities of the first.

        `behind`: tokens after the start token that every row of the search begins with.
        """
        self._rows = [self._trunk.rows[0][: 1 + behind]]
        return log_softmax(self._known[self._rows[0]].logits[np.newaxis])

    def follow(
        self, tokens: Sequence[int], parents: Sequence[int], ahead: Sequence[Sequence[int]] = ()
    ) -> LogProbs:
        """
        Log-probabilities of the token after each of `tokens`, which continue the rows `parents`.

        `ahead`: for each of `tokens` those that probably follow, which are decoded with it.
        """
        before = [self._rows[parent] for parent in parents]
        self._rows = [(*row, token) for row, token in zip(before, tokens, strict=True)]
        new = [place for place, row in enumerate(self._rows) if row not in self._known]
        if new:
            more = [[tokens[place], *(ahead[place] if ahead else ())] for place in new]
            self._run(self._gathered([before[place] for place in new]), more)
        self._forget(len(self._rows[0]))
        return log_softmax(np.array([self._known[row].logits for row in self._rows]))

    def _gathered(self, rows: Sequence[tuple[int, ...]]) -> _Decoded:
        """Decoded rows, wherever each was decoded."""
        known = [self._known[row] for row in rows]
        if [*rows] == [*known[0].decoded.rows]:
            return known[0].decoded
        parts = [one.decoded.beginning(one.place, len(rows[0])) for one in known]
        return _Decoded(rows, _joined(parts))

    def _forget(self, length: int) -> None:
        """Forget rows that are shorter than those of the search, but for the trunk's."""
        (trunk,) = self._trunk.rows
        short = [row for row in self._known if len(row) < length and row != trunk[: len(row)]]
        for row in short:
            del self._known[row]

    def _run(self, past: _Decoded, tokens: Sequence[Sequence[int]]) -> _Decoded:
        """Decode `tokens` behind each row; a shorter list is filled up, and what fills it is not used."""
        most = max(map(len, tokens))
        asked = np.full((len(tokens), most), END, dtype=np.int64)
        for place, added in enumerate(tokens):
            asked[place, : len(added)] = added
        feed: dict[str, npt.NDArray[Any]] = dict(zip(_DECODED, past.written, strict=True))
        feed |= zip(_ENCODED, self._heard, strict=True)
        feed["input_ids"] = asked
        logits, *more = self._step.run(None, feed)
        rows = [(*row, *new) for row, new in zip(past.rows, asked.tolist(), strict=True)]
        decoded = _Decoded(rows, more[: len(_DECODED)])
        looked, before = more[len(_DECODED) :], len(past.rows[0])
        for place, added in enumerate(tokens):
            for step in range(len(added)):
                row = rows[place][: before + step + 1]
                self._known[row] = _Known(logits[place, step], decoded, place)
                self._looked[row] = [each[place, :, step] for each in looked]
        return decoded

    def attentions(self, tokens: Sequence[int]) -> Sequence[Sequence[Floats]]:
        """
        The attentions to the audio before each token of a row that was decoded, and before its end.

        `[heads, frames]` of each of `alignment.LAYERS`.  Without the end, if the search was cut off before it.
        """
        rows = ((START, *tokens[:length]) for length in range(len(tokens) + 1))
        return [self._looked[row] for row in rows if row in self._looked]


def _joined(parts: Sequence[Sequence[Floats]]) -> Sequence[Floats]:
    """Keys and values of single rows as those of several."""
    return [np.concatenate(layer) for layer in zip(*parts, strict=True)]
