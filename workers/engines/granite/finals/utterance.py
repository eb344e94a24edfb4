"""One utterance on its way through the engine, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from ...base import Effort, Hypothesis, Utterance
from ..acoustic.ctc import Aligned, LogProbs, emissions, text_of
from ..acoustic.frontend import EncoderOutput
from ..text.decode import Written
from ..text.stopping import StoppingRule
from ..text.tokenizer import FittedKeywords, Tokens
from . import finals
from .finals import Piece


@dataclass(slots=True)
class Session:
    """One utterance on its way through the engine."""

    ticket: int
    utterance: Utterance
    keywords: FittedKeywords
    heard: EncoderOutput | None = field(default=None, repr=False)
    audio: torch.Tensor | None = field(default=None, repr=False)
    draft: tuple[int, ...] = field(default=(), repr=False)
    doubted: tuple[str, ...] = ()
    """Keywords that were found without support: this is the second pass, without any."""

    with_list: Written | None = field(default=None, repr=False)

    @property
    def is_partial(self) -> bool:
        """Whether the speaker is still talking."""
        return self.utterance.effort is Effort.PARTIAL

    @property
    def unreadable(self) -> bool:
        """The CTC head spells what is spoken, in letters: no translations, and Japanese only by its sound."""
        return self.utterance.translate_to is not None or self.utterance.language == "ja"

    def draft_text(self) -> str:
        """The CTC text; or the last hypothesis, where the text is not what the CTC head spells."""
        if self.heard is None or self.unreadable:
            return self.utterance.previous
        return self.spelled()

    def spelled(self) -> str:
        """What the CTC head spells, in any language: as it sounds."""
        if self.heard is None:
            return ""
        return text_of(emissions(self.heard.best, self.heard.probabilities))

    def posteriors(self) -> LogProbs | None:
        """What the words are placed by, fetched from the device; None for translations: they have no places."""
        if self.heard is None or self.utterance.translate_to is not None:
            return None
        return self.heard.posteriors()

    def silent(self) -> Hypothesis:
        """Nobody said anything."""
        return Hypothesis(flags=tuple(finals.list_flags(self.keywords)))


@dataclass(frozen=True, slots=True)
class DecodedText:
    """The text of one pass over a session, with what is known of its words."""

    pieces: list[Piece]
    placed: list[list[Aligned]]
    """Empty for translations: their words do not stand in the audio."""

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
        """Words from tokens, less their loops, and their places in the `samples` of the audio."""
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
        """The keywords among the words that nobody can be heard saying."""
        return finals.unsupported(terms, self.words, self.placed, least) if self.placed else ()


@dataclass(frozen=True, slots=True)
class SuspectKeyword:
    """Keywords stand in a text that nobody can be heard saying: it is to be written again without any."""

    keywords: tuple[str, ...]


def concluded(
    session: Session, written: Written, posteriors: LogProbs | None, tokens: Tokens, least: float,
    *, cut_loops: bool = True,
) -> Hypothesis | SuspectKeyword:  # fmt: skip
    """
    What becomes of a session whose last pass was `written`.  Changes nothing: safe beside the decode loop.

    After a second pass, the text without keywords stands; unless it holds the doubted keywords all the same: then
    it was not the list that put them there.
    """
    samples = len(session.utterance.samples)
    draught = DecodedText.of(written, posteriors, tokens, samples, cut_loops=cut_loops)
    flags = finals.list_flags(session.keywords)
    if session.with_list is not None:
        first = DecodedText.of(session.with_list, posteriors, tokens, samples, cut_loops=cut_loops)
        flags += finals.suspicion_flags(session.doubted, first.words, draught.words)
        if finals.contain_all(draught.words, session.doubted):
            draught = first
    elif doubted := draught.doubtful(session.keywords.kept, least):
        return SuspectKeyword(doubted)
    return finals.hypothesis(draught.pieces, draught.placed, samples, [*flags, *draught.flags])
