"""Granite's engine over a decoder on a server."""

from collections.abc import Sequence

from ...base import Capabilities, EngineError, Hypothesis, Utterance
from ...common.tickets import hypothesis_of, run_until_done
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
        outcomes, self._done = run_until_done(self.step, self.admit(batch))
        return [hypothesis_of(outcome) for outcome in outcomes]

    def close(self) -> None:
        """End all requests."""
        self._decoder.close()
