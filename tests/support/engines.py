"""
Engines for tests of the components around engines.

They implement the interface of an engine: their output depends only on their input.
"""

import threading
from collections.abc import Callable, Generator, Sequence

import numpy as np

from workers.engines.base import (
    Capabilities,
    Effort,
    EngineError,
    Hypothesis,
    RecognisedWord,
    Utterance,
)


class LengthTeller:
    """Recognises the length of the audio, such as `10 tenths` (of a second).  Fails if `fault` returns True."""

    def __init__(
        self, max_batch: int = 4, fault: Callable[[Utterance], bool] = lambda _: False
    ) -> None:
        self._fault = fault
        self.batches: list[int] = []
        self.capabilities = Capabilities(
            name="length-teller", languages=frozenset({"en"}), keywords=True, max_batch=max_batch
        )

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """Return the length of each utterance, as words."""
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


class ContinuousTeller:
    """
    Continuous engine with the output of LengthTeller: each step processes a tenth of a second of each utterance.

    `gets_on` decides before each step whether the step makes progress.
    """

    def __init__(
        self,
        max_batch: int = 4,
        fault: Callable[[Utterance], bool] = lambda _: False,
        gets_on: Callable[["ContinuousTeller"], bool] = lambda _: True,
    ) -> None:
        self._reporter = LengthTeller(max_batch, fault)
        self._gets_on = gets_on
        self._left: dict[int, tuple[int, Utterance]] = {}
        self.admitted: list[list[int]] = []
        """Samples of each utterance, by admission."""

        self.began = threading.Event()
        """Set with the first admission."""

        self.company: list[int] = []
        """Number of utterances in progress at each admission."""

    @property
    def capabilities(self) -> Capabilities:
        """Those of LengthTeller."""
        return self._reporter.capabilities

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """Return all hypotheses at once."""
        return self._reporter.transcribe(batch)

    def admit(self, utterances: Sequence[Utterance]) -> list[int]:
        """Admit utterances: a partial needs one step, a final one step for each tenth of a second."""
        self._reporter.transcribe(utterances)  # raises if an utterance is at fault
        tickets = [sum(map(len, self.admitted)) + place for place in range(len(utterances))]
        self.company.append(len(self._left))
        self.admitted.append([len(one.samples) for one in utterances])
        self.began.set()
        for ticket, one in zip(tickets, utterances, strict=True):
            steps = len(one.samples) // 1_600 if one.effort is Effort.FINAL else 1
            self._left[ticket] = (steps, one)
        return tickets

    def step(self) -> list[tuple[int, Hypothesis]]:
        """Process a tenth of a second of each utterance; returns the finished ones."""
        if not self._gets_on(self):
            return []
        self._left = {ticket: (steps - 1, one) for ticket, (steps, one) in self._left.items()}
        finished = [ticket for ticket, (steps, _) in self._left.items() if steps <= 0]
        return [
            (ticket, self._reporter.transcribe([self._left.pop(ticket)[1]])[0])
            for ticket in finished
        ]


def times_of(heard: Hypothesis) -> list[int]:
    """Begin and end of each word, in samples. Fails if a word has no times."""
    times = [time for word in heard.words for time in (word.start, word.end) if time is not None]
    assert len(times) == 2 * len(heard.words), "a word has no times"
    return times


class StepwiseTeller:
    """
    Stepwise engine with the output of LengthTeller: one step for each tenth of a second.

    `gets_on` decides whether a step makes progress.
    """

    def __init__(
        self,
        fault: Callable[[Utterance], bool] = lambda _: False,
        gets_on: Callable[["StepwiseTeller", Utterance], bool] = lambda *_: True,
    ) -> None:
        self._reporter = LengthTeller(1, fault)
        self._gets_on = gets_on
        self.began = threading.Event()
        """Set with the first step."""

        self.worked: list[int] = []
        """Tenths of a second of the utterance of each step."""

    @property
    def capabilities(self) -> Capabilities:
        """Those of LengthTeller."""
        return self._reporter.capabilities

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """Return all hypotheses at once."""
        return self._reporter.transcribe(batch)

    def steps(self, utterance: Utterance) -> Generator[None, None, Hypothesis]:
        """Yield for each tenth of a second."""
        (heard,) = self._reporter.transcribe([utterance])
        tenths = len(utterance.samples) // 1_600
        for _ in range(tenths):
            self.worked.append(tenths)
            self.began.set()
            yield
            while not self._gets_on(self, utterance):
                yield
        return heard
