"""
Checks of keyword lists.

Keywords come from outside and are written into prompts. Therefore only letters, digits and characters that occur in
names are allowed: C#, Yahoo!, Contoso (UK). Refused terms are reported with a reason.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import islice

MOST_TERMS = 5_000
LONGEST_TERM = 64
MOST_IN_JOBS = 64
"""Terms of a list that every job carries; a longer list is stored once, and the jobs name it (`list_digest`)."""

_MOST_CHECKED = 2 * MOST_TERMS
_MOST_REJECTED = 500
"""Most refused terms that are told."""

_SHORTEST_PART = 4
"""Letters of a name's part that may be preferred alone: `Ekwall`, but not `van` or `Mr`."""

NEAR, SUSPECT = "keyword_near:", "keyword_suspect:"
"""
Flags of a final, before a term: its text sounds like the term and does not contain it; it contains the term, and
the engine found too little of it in the audio.
"""

_SIGNS = frozenset(" -'’.&/+#!():@\u200c\u200d\u00b7\u2010\u2011\u2013\u02bc\u05f3\u05f4\u30fb")
"""Includes the joiners of Persian and Indic scripts, dashes, and the dots and marks of names in other scripts."""

_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_PLAIN = re.compile(rf"(?:[^\W_]|[{re.escape(''.join(sorted(_SIGNS)))}])+")
"""Letters, digits and signs: a quick match of nearly all terms. Combining marks need a look at their category."""


@dataclass(frozen=True, slots=True)
class CleanKeywords:
    """The accepted terms in the given order, and the refused terms as `term: reason`."""

    terms: tuple[str, ...]
    rejected: tuple[str, ...]


def clean(terms: Iterable[str]) -> CleanKeywords:
    """
    Check terms and remove duplicates, ignoring case. Of duplicates the first is kept.

    A comma always separates two terms, also inside a term: names do not need commas, and prompts separate terms by
    commas. Of more than 10,000 terms the rest is not looked at.
    """
    parts = (part for term in terms for part in (term.split(",") if "," in term else [term]))
    kept: dict[str, str] = {}
    rejected: list[str] = []
    for raw in islice(parts, _MOST_CHECKED):
        term = " ".join(unicodedata.normalize("NFC", raw).split())
        folded = term.casefold()
        if folded in kept:
            continue
        if reason := _objection(term) or (
            f"more than {MOST_TERMS} keywords" if len(kept) == MOST_TERMS else None
        ):
            rejected.append(f"{_printable(term)}: {reason}")
            continue
        kept[folded] = term
    return CleanKeywords(tuple(kept.values()), tuple(rejected[:_MOST_REJECTED]))


@lru_cache(32)
def list_digest(terms: tuple[str, ...]) -> str:
    """Name a list by its content: SHA-256 in hexadecimal digits.  Valid terms contain no line feed."""
    return sha256("\n".join(terms).encode()).hexdigest()


def split(text: str) -> list[str]:
    """Split a list in one string, separated by comma, semicolon or newline, as bridges without lists send it."""
    return [term.strip() for term in re.split(r"[,\n;]", text) if term.strip()]


def name_parts(term: str) -> tuple[str, ...]:
    """Words of a name that are also said alone: `Tobias`, `Ekwall` of `Tobias Ekwall`; none of a single word."""
    words = term.split()
    if len(words) < 2:
        return ()
    return tuple(
        word
        for word in words
        if word != word.lower() and sum(map(str.isalpha, word)) >= _SHORTEST_PART
    )


def _objection(term: str) -> str | None:
    """Why `term` cannot be a keyword, or None."""
    if not term:
        return "empty"
    if len(term) > LONGEST_TERM:
        return f"longer than {LONGEST_TERM} characters"
    if not _PLAIN.fullmatch(term) and not all(map(_is_allowed, term)):
        return "only letters, digits, spaces and - ' . : & / + # ! @ ( ) are allowed in a keyword"
    if not _LETTER_OR_DIGIT.search(term):
        return "contains neither a letter nor a digit"
    return None


def _is_allowed(sign: str) -> bool:
    return sign in _SIGNS or unicodedata.category(sign)[0] in "LNM"


def _printable(term: str) -> str:
    """`term` shortened and without control characters, for the reply to its sender."""
    return "".join(sign if sign.isprintable() else "?" for sign in term[:LONGEST_TERM])
