"""What was said in a segment, as columns: its words and redactions are lists in JSON."""

from collections.abc import Iterable
from typing import Any

from protocol.calls.call import Role
from protocol.events import Final, Redaction, Word

_WITHOUT_SPEAKER = 4
_WITH_ROLE = 6
"""Values of a word in a row."""


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
    """
    Words from `[text, start, end, confidence, speaker, role]`.

    None for a row of a version that did not store them.
    """
    return tuple(_word(one) for one in lists or ())


def _word(stored: list[Any]) -> Word:
    text, start, end, confidence, speaker, role = (*stored, None, None)[:_WITH_ROLE]
    return Word(text, start, end, confidence, speaker, role and Role(role))


def redactions_of(lists: list[list[Any]] | None) -> tuple[Redaction, ...]:
    """Redactions from `[kind, place, start, end]`."""
    return tuple(Redaction(*one) for one in lists or ())


def _word_lists(words: Iterable[Word]) -> list[list[Any]]:
    return [_word_list(one) for one in words]


def _word_list(one: Word) -> list[Any]:
    """Speaker and role are left out if they are not known: an older version can read such rows."""
    listed: list[Any] = [one.text, one.start, one.end, one.confidence, one.speaker, one.role]
    while len(listed) > _WITHOUT_SPEAKER and listed[-1] is None:
        listed.pop()
    return listed
