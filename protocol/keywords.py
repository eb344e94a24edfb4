"""
What may stand in a keyword list.

Keywords are data: they come from outside and end up in a prompt, so they are cut down to letters, digits and
the signs that stand in names: C#, Yahoo!, Contoso (UK).  Whatever is refused is said, with its reason.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

MOST_TERMS = 500
LONGEST_TERM = 64

_SPACE = re.compile(r"\s+")
_SIGNS = frozenset(" -'’.&/+#!():@\u200c\u200d\u00b7\u2010\u2011\u2013\u02bc\u05f3\u05f4\u30fb")
"""With the joiners of Persian and Indic scripts, dashes, and the dots and marks of other scripts' names."""


@dataclass(frozen=True, slots=True)
class CleanKeywords:
    """The terms to use, in the order of the caller, and the others with their reasons."""

    terms: tuple[str, ...]
    rejected: tuple[str, ...]


def clean(terms: Iterable[str]) -> CleanKeywords:
    """
    Deduplicate (without regard to case) and check; earlier terms win over later ones.

    A comma stands between two terms, also inside what was meant to be one: no name needs it, and prompts
    separate terms by it.
    """
    kept: dict[str, str] = {}
    rejected: list[str] = []
    for raw in (part for term in terms for part in (term.split(",") if "," in term else [term])):
        term = _SPACE.sub(" ", unicodedata.normalize("NFC", raw)).strip()
        if term.casefold() in kept:
            continue
        if reason := _objection(term) or (
            f"more than {MOST_TERMS} keywords" if len(kept) == MOST_TERMS else None
        ):
            rejected.append(f"{_printable(term)}: {reason}")
            continue
        kept[term.casefold()] = term
    return CleanKeywords(tuple(kept.values()), tuple(rejected[:MOST_TERMS]))


def split(text: str) -> list[str]:
    """The terms of a list written in one string, as bridges without lists send it: comma or newline between."""
    return [term.strip() for term in re.split(r"[,\n;]", text) if term.strip()]


def _objection(term: str) -> str | None:
    """Why `term` cannot be a keyword, or None."""
    if not term:
        return "empty"
    if len(term) > LONGEST_TERM:
        return f"longer than {LONGEST_TERM} characters"
    if not all(sign in _SIGNS or unicodedata.category(sign)[0] in "LNM" for sign in term):
        return "only letters, digits, spaces and - ' . : & / + # ! @ ( ) may stand in a keyword"
    if not any(sign.isalnum() for sign in term):
        return "has neither letter nor digit"
    return None


def _printable(term: str) -> str:
    """`term` cut and freed of control characters, to be shown to whoever sent it."""
    return "".join(sign if sign.isprintable() else "?" for sign in term[:LONGEST_TERM])
