"""The state of one utterance inside the engine, and the decision about its final."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from ...base import Effort, Hypothesis, Utterance
from ..acoustic.ctc import Aligned, LogProbs, emissions, text_of, words_of
from ..acoustic.frontend import EncoderOutput
from ..text.decode import Written
from ..text.stopping import StoppingRule
from ..text.tokenizer import FittedKeywords, Tokens
from . import finals, refusals
from .finals import ScoredWord

CTC_TEXT = "ctc_text"
"""Flag of a final that the CTC head wrote without the language model."""


ANSWER_REPLACED, ANSWER_SUSPECT = "answer_replaced", "answer_suspect"
"""Flags of a text that reads as an answer of the model: replaced by the CTC text; not replaced (a translation)."""


@dataclass(slots=True)
class UtteranceState:
    """The state of one utterance inside the engine."""

    ticket: int
    utterance: Utterance
    keywords: FittedKeywords
    heard: EncoderOutput | None = field(default=None, repr=False)
    audio: torch.Tensor | None = field(default=None, repr=False)
    draft: tuple[int, ...] = field(default=(), repr=False)
    suspect: tuple[str, ...] = ()
    """Keywords that the audio did not support.  If there are any, this is the second pass, without keywords."""

    with_list: Written | None = field(default=None, repr=False)

    @property
    def is_partial(self) -> bool:
        """Whether the speaker is still talking."""
        return self.utterance.effort is Effort.PARTIAL

    @property
    def unreadable(self) -> bool:
        """Whether the CTC text is unusable as a text: it has no translations, and Japanese only phonetically."""
        return self.utterance.translate_to is not None or self.utterance.language == "ja"

    def draft_text(self) -> str:
        """The text of the draft: the CTC text, or the previous hypothesis if the CTC text is unusable."""
        if self.heard is None or self.unreadable:
            return self.utterance.previous
        return self.spelled()

    def spelled(self) -> str:
        """The CTC text, which in any language spells the sounds."""
        if self.heard is None:
            return ""
        return text_of(emissions(self.heard.best, self.heard.probabilities))

    def posteriors(self) -> LogProbs | None:
        """CTC log-probabilities [frames, labels] for the alignment; None for translations: no word times."""
        if self.heard is None or self.utterance.translate_to is not None:
            return None
        return self.heard.posteriors()

    def ctc_final(self, most_entropy: float) -> Hypothesis | None:
        """The CTC text as a final, if no frame has an entropy above `most_entropy` (nats); else None."""
        if self.heard is None or self.heard.most_entropy() > most_entropy:
            return None
        return self.spelled_final([*finals.list_flags(self.keywords), CTC_TEXT])

    def spelled_final(self, flags: Sequence[str]) -> Hypothesis:
        """The CTC text as a final; without words in Japanese, whose labels are sounds and not writing."""
        if self.heard is None or self.unreadable:
            return Hypothesis(flags=tuple(flags))
        path = emissions(self.heard.best, self.heard.probabilities)
        return Hypothesis(words_of(path, len(self.utterance.samples)), tuple(flags))

    def silent(self) -> Hypothesis:
        """The hypothesis for an utterance without speech."""
        return Hypothesis(flags=tuple(finals.list_flags(self.keywords)))


@dataclass(frozen=True, slots=True)
class DecodedText:
    """The text of one decoding pass, with the alignment of its words."""

    pieces: list[ScoredWord]
    placed: list[list[Aligned]]
    """The aligned letters of each word.  Empty for translations, whose words are not in the audio."""

    flags: list[str]

    @classmethod
    def of(
        cls,
        written: Written,
        posteriors: LogProbs | None,
        tokens: Tokens,
        samples: int,
        *,
        cut_loops: bool = True,
    ) -> "DecodedText":
        """Words from tokens, without loops, aligned to the audio of `samples` samples at 16 kHz."""
        pieces = finals.in_words(tokens.pieces(written.tokens), written.log_probs)
        flags = finals.ending_flags(written.ending)
        if cut_loops:
            pieces, looped = finals.without_loops(pieces, samples, written.ending)
            flags += [StoppingRule.LOOP.value] * (looped and StoppingRule.LOOP.value not in flags)
        placed = finals.aligned(pieces, posteriors) if posteriors is not None else []
        return cls(pieces, placed, flags)

    @property
    def words(self) -> list[str]:
        """The words as written."""
        return [piece.text for piece in self.pieces]

    def doubtful(self, terms: Sequence[str], least: float) -> tuple[str, ...]:
        """The `terms` in the text of which the audio supports less than the share `least` of the letters."""
        return finals.unsupported(terms, self.words, self.placed, least) if self.placed else ()


@dataclass(frozen=True, slots=True)
class SuspectKeyword:
    """A text holds keywords that the audio does not support: decode it again without keywords."""

    keywords: tuple[str, ...]


def conclude(
    session: UtteranceState, written: Written, posteriors: LogProbs | None, tokens: Tokens, least: float,
    *, cut_loops: bool = True,
) -> Hypothesis | SuspectKeyword:  # fmt: skip
    """
    Decide about an utterance after the pass `written`.  Changes nothing, so it may run beside the decode loop.

    Returns the hypothesis, or SuspectKeyword if a second pass without keywords is needed.  After that pass its text
    is used, unless it holds the suspect keywords too: then the list did not cause them, and the first text is used.
    """
    samples = len(session.utterance.samples)
    decoded = DecodedText.of(written, posteriors, tokens, samples, cut_loops=cut_loops)
    flags = finals.list_flags(session.keywords)
    if session.with_list is not None:
        first = DecodedText.of(session.with_list, posteriors, tokens, samples, cut_loops=cut_loops)
        flags += finals.suspicion_flags(session.suspect, first.words, decoded.words)
        if finals.contain_all(decoded.words, session.suspect):
            decoded = first
    elif suspect := decoded.doubtful(session.keywords.kept, least):
        return SuspectKeyword(suspect)
    flags += decoded.flags
    if refusals.is_answer(decoded.words):
        if posteriors is None:
            flags.append(ANSWER_SUSPECT)
        elif not refusals.is_supported(decoded.placed):
            return session.spelled_final([*flags, ANSWER_REPLACED])
    return finals.hypothesis(decoded.pieces, decoded.placed, samples, flags)
