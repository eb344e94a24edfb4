"""One utterance on its way through the engine, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from workers.engine import Effort, Hypothesis, Utterance

from . import finals
from .ctc import Aligned, emissions, text_of
from .decode import Written
from .ears import Heard
from .finals import Piece
from .tokens import FittedKeywords, Tokens


@dataclass(slots=True)
class Session:
    """One utterance on its way through the engine."""

    ticket: int
    utterance: Utterance
    keywords: FittedKeywords
    heard: Heard | None = field(default=None, repr=False)
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
        return text_of(emissions(self.heard.best, self.heard.probabilities))

    def silent(self) -> Hypothesis:
        """Nobody said anything."""
        return Hypothesis(flags=tuple(finals.list_flags(self.keywords)))


@dataclass(frozen=True, slots=True)
class Draught:
    """The text of one pass over a session, with what is known of its words."""

    pieces: list[Piece]
    placed: list[list[Aligned]]
    """Empty for translations: their words do not stand in the audio."""

    flags: list[str]

    @classmethod
    def of(cls, session: Session, written: Written, tokens: Tokens) -> "Draught":
        """Words from tokens, and their places in the audio."""
        assert session.heard is not None
        pieces = finals.in_words(tokens.pieces(written.tokens), written.log_probs)
        spoken = session.utterance.translate_to is None
        placed = finals.aligned(pieces, session.heard.posteriors()) if spoken else []
        return cls(pieces, placed, finals.ending_flags(written.ending))

    @property
    def words(self) -> list[str]:
        """The words as written."""
        return [piece.text for piece in self.pieces]

    def doubtful(self, terms: Sequence[str], least: float) -> tuple[str, ...]:
        """The keywords among the words that nobody can be heard saying."""
        return finals.unsupported(terms, self.words, self.placed, least) if self.placed else ()


def final(session: Session, draught: Draught, tokens: Tokens) -> Hypothesis:
    """
    The final of a session whose last pass wrote `draught`.

    After a second pass, the text without keywords stands; unless it holds the doubted keywords all the same: then
    it was not the list that put them there.
    """
    assert session.heard is not None
    flags = finals.list_flags(session.keywords)
    if session.with_list is not None:
        first = Draught.of(session, session.with_list, tokens)
        flags += finals.suspicion_flags(session.doubted, first.words, draught.words)
        if finals.contain_all(draught.words, session.doubted):
            draught = first
    return finals.hypothesis(
        draught.pieces, draught.placed, len(session.utterance.samples), [*flags, *draught.flags]
    )
