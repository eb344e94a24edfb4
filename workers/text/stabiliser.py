"""
Decide which words of a partial are stable.

A word is stable when two successive hypotheses agree on it and on all words before it (LocalAgreement-2: Liu et
al., "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by Partial Hypothesis Selection",
Interspeech 2020), and when the engine is confident, where the engine reports confidence. Agreement alone is not
enough: partials are decoded in less depth than finals and can agree with each other where the final differs
(`Press 1`, `Press one`). A later partial never changes a stable word. `bench/stability.py` measures how often a
final changes one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from protocol.redaction.masking import HIDDEN

_SURE = 0.85
"""
Least confidence (0 to 1) of a stable word; see docs/benchmarks.md, "Stable words".

On recordings that were not used to choose 0.8, finals changed 7 of 571 stable words with the limit 0.8 and 3 of 472
with 0.85.  The price: fewer words become stable.
"""


@dataclass(frozen=True, slots=True)
class Stabilised:
    """The words of an open segment; the first `stable` of them are stable."""

    words: tuple[str, ...] = ()
    stable: int = 0

    def observe(
        self, words: Sequence[str], vouched: int = 0, confidence: Sequence[float | None] = ()
    ) -> "Stabilised":
        """
        Add the next hypothesis for the same, longer audio. Returns the new state.

        `vouched`: number of leading words that the engine itself has recognised twice and knows to be complete.
        `confidence`: 0 to 1 for each word; None for a word, or no sequence, where the engine reports none.
        """
        kept = self.words[: self.stable]
        merged = kept + tuple(words[self.stable :])
        agreed = min(_agreed(self.words, merged), _sure(confidence, self.stable, len(merged)))
        stable = max(self.stable, min(vouched, len(merged)), agreed)
        return Stabilised(merged, stable)

    @property
    def text(self) -> str:
        """The words that are not hidden, joined."""
        return " ".join(word for word in self.words if not word.startswith(HIDDEN))

    def encode(self) -> bytes:
        """Encode the state for Redis, from where the worker of the next partial reads it."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, payload: bytes) -> "Stabilised":
        """Decode the stored words; empty bytes give the state before the first hypothesis."""
        return msgspec.msgpack.decode(payload, type=cls) if payload else cls()


NOTHING = Stabilised()
"""The state before the first hypothesis."""


def _sure(confidence: Sequence[float | None], start: int, end: int) -> int:
    """Return the index of the first uncertain word from `start` on; `end` if there is none."""
    uncertain = (
        place
        for place, sure in enumerate(confidence[start:end], start)
        if sure is not None and sure < _SURE
    )
    return next(uncertain, end)


def _agreed(earlier: Sequence[str], later: Sequence[str]) -> int:
    """
    Number of leading words that both have in common, ignoring case and final punctuation.

    The last word of `earlier` does not count, because the audio may have ended inside it.
    """
    count = 0
    for one, other in zip(earlier[:-1], later, strict=False):
        if one.rstrip(".,?!").casefold() != other.rstrip(".,?!").casefold():
            break
        count += 1
    return count
