"""
Moonshine's streaming models on the CPU: partials that encode only what is new.

Utterances run one by one, in steps, so that finals overtake.  Keywords have no effect: the search is greedy.
"""

import math
from collections.abc import Generator, Sequence

from protocol.clock import ENGINE_RATE

from ..base import (
    WITHHELD_TOO_SHORT,
    Capabilities,
    Effort,
    Hypothesis,
    RecognisedWord,
    Utterance,
    check,
)
from ..common import hallucination
from ..common.beam_search import Found
from ..common.stepwise import result_of
from .decoder import Heard
from .open_utterances import OpenUtterances
from .search import DraftedSearch
from .spelling import Decode, spell

_SILENT = -70.0
"""dBFS.  Audio below this limit is hardly one step of G.711."""


class MoonshineStreaming:
    """The engine: an encoder that continues, a search with drafts, and filters against hallucinated text."""

    def __init__(
        self,
        capabilities: Capabilities,
        utterances: OpenUtterances,
        search: DraftedSearch,
        decode: Decode,
    ) -> None:
        self.capabilities = capabilities
        self._open, self._search, self._decode = utterances, search, decode

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """See Engine.  Raises EngineError when an utterance is too long or in another language."""
        for utterance in batch:
            check(utterance, self.capabilities)
        return [result_of(self.steps(utterance)) for utterance in batch]

    def steps(self, utterance: Utterance) -> Generator[None, None, Hypothesis]:
        """See StepwiseEngine.  A step is a block of the encoder, or some tokens."""
        check(utterance, self.capabilities)
        samples = utterance.samples
        if utterance.is_too_short:
            return WITHHELD_TOO_SHORT
        if (level := hallucination.loudness(samples)) < _SILENT:
            return Hypothesis()
        draft = self._open.draft(utterance.key)
        heard = yield from self._heard(utterance)
        yield
        found = yield from self._search.run(heard, len(samples) / ENGINE_RATE, draft)
        if utterance.effort is Effort.PARTIAL:
            self._open.note(utterance.key, found.tokens)
        reason = hallucination.withheld(
            level, found.nothing, found.log_probs, complete=found.complete
        )
        if reason is not None:
            told = hallucination.is_worth_a_flag(found.nothing, found.log_probs)
            return Hypothesis(flags=(reason.flag,) if told else ())
        return self._written(found, len(samples) / ENGINE_RATE)

    def _heard(self, utterance: Utterance) -> Generator[None, None, Heard]:
        """What the decoder hears; of a partial only what is new is encoded."""
        if utterance.effort is Effort.PARTIAL:
            return (yield from self._open.grown(utterance.key, utterance.samples))
        if not utterance.speculative:
            self._open.forget(utterance.key)
        return (yield from self._open.whole(utterance.samples))

    def _written(self, found: Found, seconds: float) -> Hypothesis:
        """The words of a row of tokens, less its loops."""
        sure = [math.exp(log_prob) for log_prob in found.log_probs]
        spelled = spell(self._decode, found.tokens, sure)
        said = [hallucination.WordEvidence(word.text, word.log_prob) for word in spelled]
        kept = hallucination.without_loops(said, seconds, complete=found.complete)
        words = tuple(
            RecognisedWord(text, confidence=spelled[place].probability)
            for place, text in kept.words
        )
        flags = ["loop_cut"] * kept.looped + ["length_cut"] * (not found.complete)
        return Hypothesis(words, tuple(flags))
