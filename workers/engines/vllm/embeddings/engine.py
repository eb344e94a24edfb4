"""Granite's engine over a decoder on a server."""

from collections.abc import Sequence

from ...base import Capabilities, EngineError, Hypothesis, Utterance
from ...granite.engine import GraniteEngine
from .decoder import ServerDecoder


class EmbeddingEngine:
    """
    Partials, word times and the check of keywords as in the Granite engine; texts from a server of vLLM.

    A segment that the server refuses fails alone.  Used from one thread at a time.
    """

    def __init__(self, engine: GraniteEngine, decoder: ServerDecoder) -> None:
        self._engine, self._decoder = engine, decoder
        self._done: list[tuple[int, Hypothesis | EngineError]] = []

    @property
    def capabilities(self) -> Capabilities:
        """See Engine."""
        return self._engine.capabilities

    def admit(self, utterances: Sequence[Utterance]) -> list[int]:
        """See ContinuousEngine."""
        return self._engine.admit(utterances)

    def step(self) -> list[tuple[int, Hypothesis | EngineError]]:
        """See ContinuousEngine.  Raises EngineBrokenError if the server fails for too long."""
        finished, self._done = self._done, []
        finished += self._engine.step()
        for refused in self._decoder.take_refused():
            self._engine.discard(refused.ticket)
            finished.append((refused.ticket, refused.error))
        return finished

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """See Engine.  Raises EngineError when the server refuses one of them."""
        tickets = self.admit(batch)
        found: dict[int, Hypothesis | EngineError] = {}
        others: list[tuple[int, Hypothesis | EngineError]] = []
        while not found.keys() >= set(tickets):
            for ticket, outcome in self.step():
                if ticket in tickets:
                    found[ticket] = outcome
                else:
                    others.append((ticket, outcome))
        self._done = others
        return [_raised(found[ticket]) for ticket in tickets]

    def close(self) -> None:
        """End all requests."""
        self._decoder.close()


def _raised(outcome: Hypothesis | EngineError) -> Hypothesis:
    if isinstance(outcome, EngineError):
        raise outcome
    return outcome
