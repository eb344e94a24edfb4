"""What was said in a segment, as columns: its words and redactions are lists in JSON."""

from collections.abc import Iterable
from typing import Any

from protocol.events import Final, Redaction, Word


def said_columns(final: Final | None) -> dict[str, Any]:
    """The columns of a final; None: of a segment without words."""
    if final is None:
        return {"text": "", "words": [], "lexical": [], "redactions": []}
    return {
        "text": final.text,
        "words": _word_lists(final.words),
        "lexical": _word_lists(final.lexical),
        "redactions": [[one.kind, one.place, one.start, one.end] for one in final.redactions],
    }


def words_of(lists: list[list[Any]] | None) -> tuple[Word, ...]:
    """Words from `[text, start, end, confidence, speaker]`; none for a row of a version that did not store them."""
    return tuple(Word(*one) for one in lists or ())


def redactions_of(lists: list[list[Any]] | None) -> tuple[Redaction, ...]:
    """Redactions from `[kind, place, start, end]`."""
    return tuple(Redaction(*one) for one in lists or ())


def _word_lists(words: Iterable[Word]) -> list[list[Any]]:
    return [_word_list(one) for one in words]


def _word_list(one: Word) -> list[Any]:
    """The speaker is left out if it is not known: an older version can read such rows."""
    listed: list[Any] = [one.text, one.start, one.end, one.confidence]
    return listed if one.speaker is None else [*listed, one.speaker]
