"""The words of a stored call as they were said, or as people write them.  Pure."""

from dataclasses import replace
from enum import StrEnum

from protocol.calls.text_form import AS_WRITTEN
from protocol.events import Final, Redaction, Timing, Word

from .transcript import Ending, StoredSegment, Transcript


class WordsForm(StrEnum):
    """Which words of a segment a reader wants.  Redacted words are redacted in each form."""

    STORED = "stored"
    """As the call was configured."""

    LEXICAL = "lexical"
    """As they were said, and as the engine wrote them."""

    WRITTEN = "written"
    """Numbers, dates, amounts and addresses as people write them."""


def in_form(transcript: Transcript, form: WordsForm) -> Transcript:
    """The transcript with the words of each segment in another form."""
    if form is WordsForm.STORED:
        return transcript
    return replace(transcript, segments=tuple(_shown(one, form) for one in transcript.segments))


def final_of(one: StoredSegment) -> Final:
    """The event that a segment was stored from."""
    return Final(
        one.segment,
        one.span,
        one.words,
        one.language,
        one.keywords_revision,
        one.keywords_found,
        one.engine,
        one.timing or Timing(0, 0),
        one.flags,
        one.redactions,
        one.lexical,
    )


def as_said(final: Final) -> Final:
    """A final with the words as they were said."""
    if not final.lexical:
        return final
    said = [_bare(word) for word in final.lexical]
    redactions, after = list[Redaction](), 0
    for one in final.redactions:
        tag = _bare(final.words[one.place])
        place = next((at for at in range(after, len(said)) if said[at] == tag), None)
        if place is not None:
            redactions.append(replace(one, place=place))
            after = place + 1
    return replace(final, words=final.lexical, lexical=(), redactions=tuple(redactions))


def _bare(word: Word) -> str:
    return word.text.rstrip(".,;:!?…")


def _shown(one: StoredSegment, form: WordsForm) -> StoredSegment:
    if one.ending is not Ending.FINAL:
        return one
    shown = as_said(final_of(one))
    if form is WordsForm.WRITTEN:
        # The tables of telephone numbers are large, and commands must start quickly.
        from protocol.formatting.formatter import formatted  # noqa: PLC0415

        shown = formatted(shown, AS_WRITTEN)
    return replace(one, words=shown.words, lexical=shown.lexical, redactions=shown.redactions)
