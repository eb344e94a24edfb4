"""
Engines for tests of everything around engines.

They implement the engine's interface honestly: what comes out depends on what goes in, and on nothing else.
"""

from collections.abc import Callable, Sequence

import numpy as np

from workers.engine import Capabilities, EngineError, Hypothesis, RecognisedWord, Utterance


class LengthTeller:
    """Says how many tenths of a second it was given: `10 tenths`.  Fails where `fault` says so."""

    def __init__(
        self, max_batch: int = 4, fault: Callable[[Utterance], bool] = lambda _: False
    ) -> None:
        self._fault = fault
        self.batches: list[int] = []
        self.capabilities = Capabilities(
            name="length-teller", languages=frozenset({"en"}), keywords=True, max_batch=max_batch
        )

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """The length of each, in words."""
        self.batches.append(len(batch))
        if any(self._fault(one) for one in batch):
            raise EngineError("told to fail")
        return [Hypothesis(self._words(one)) for one in batch]

    def _words(self, one: Utterance) -> tuple[RecognisedWord, ...]:
        if not np.any(one.samples):
            return ()
        tenths = round(len(one.samples) / 1_600)
        return (
            RecognisedWord(str(tenths)),
            RecognisedWord("tenths"),
            *map(RecognisedWord, one.keywords),
        )
