"""
Which words of a partial will stay.

A word is promised once two hypotheses in a row agree on it and on all before it (LocalAgreement-2: Liu et
al., "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by Partial Hypothesis Selection",
Interspeech 2020).  A promised word is never changed by a later partial.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Stabilised:
    """The words of an open segment; the first `stable` of them are promised."""

    words: tuple[str, ...] = ()
    stable: int = 0

    def observe(self, words: Sequence[str], vouched: int = 0) -> "Stabilised":
        """
        Take in the next hypothesis for the same, longer audio.

        `vouched` words of it the engine itself has heard twice alike, and knows them to be whole.
        """
        kept = self.words[: self.stable]
        merged = kept + tuple(words[self.stable :])
        stable = max(self.stable, min(vouched, len(merged)), _agreed(self.words, merged))
        return Stabilised(merged, stable)

    def encode(self) -> bytes:
        """For the hash of the segment, where the next worker finds it."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, payload: bytes) -> "Stabilised":
        """The reverse; nothing is the beginning."""
        return msgspec.msgpack.decode(payload, type=cls) if payload else cls()


NOTHING = Stabilised()
"""Before the first hypothesis."""


def _agreed(earlier: Sequence[str], later: Sequence[str]) -> int:
    """
    How many words at the beginning both have in common, written alike but for case and closing signs.

    The last word of the earlier one does not count: it may have been cut off in the middle.
    """
    count = 0
    for one, other in zip(earlier[:-1], later, strict=False):
        if one.rstrip(".,?!").casefold() != other.rstrip(".,?!").casefold():
            break
        count += 1
    return count
