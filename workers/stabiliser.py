"""
Which words of a partial will stay.

A word is promised once two hypotheses in a row agree on it and on all before it (LocalAgreement-2: Liu et
al., "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by Partial Hypothesis Selection",
Interspeech 2020), and the engine is sure of it, where engines say how sure they are: partials are decoded in less
depth than finals, and agree with each other where the final does not (`Press 1`, `Press one`).  A promised word is
never changed by a later partial; how often the final changes one is measured by `bench/stability.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from protocol.redaction.masking import HIDDEN

_SURE = 0.85
"""
Confidence from which a word may be promised; docs/benchmarks.md, "Promised words".

On recordings that took no part in choosing 0.8, finals changed 7 of 571 promised words with 0.8 and 3 of 472 with
0.85.  The price: fewer words are promised.
"""


@dataclass(frozen=True, slots=True)
class Stabilised:
    """The words of an open segment; the first `stable` of them are promised."""

    words: tuple[str, ...] = ()
    stable: int = 0

    def observe(
        self, words: Sequence[str], vouched: int = 0, confidence: Sequence[float | None] = ()
    ) -> "Stabilised":
        """
        Take in the next hypothesis for the same, longer audio.

        `vouched` words of it the engine itself has heard twice alike, and knows them to be whole.  `confidence`,
        0 to 1, is that of each word; None, or none at all, where the engine does not say.
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
        """Encode for the segment's state in Redis, where the worker of the next partial finds it."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, payload: bytes) -> "Stabilised":
        """Decode the stored words; empty bytes give the state before the first hypothesis."""
        return msgspec.msgpack.decode(payload, type=cls) if payload else cls()


NOTHING = Stabilised()
"""The state before the first hypothesis."""


def _sure(confidence: Sequence[float | None], start: int, end: int) -> int:
    """Up to which word, from `start` on, none is in doubt."""
    uncertain = (
        place
        for place, sure in enumerate(confidence[start:end], start)
        if sure is not None and sure < _SURE
    )
    return next(uncertain, end)


def _agreed(earlier: Sequence[str], later: Sequence[str]) -> int:
    """
    Number of leading words that both have in common, without regard to case and final punctuation.

    The last word of `earlier` does not count: the audio may have ended in the middle of it.
    """
    count = 0
    for one, other in zip(earlier[:-1], later, strict=False):
        if one.rstrip(".,?!").casefold() != other.rstrip(".,?!").casefold():
            break
        count += 1
    return count
