"""Which keywords of a call stand in a text."""

import re
import unicodedata
from collections.abc import Iterable

_NO_WORD = re.compile(r"[^\w]+")


def keywords_in(text: str, keywords: Iterable[str]) -> tuple[str, ...]:
    """The keywords, as the call wrote them, whose words stand in `text` side by side; case is ignored."""
    heard = f" {_plain(text)} "
    return tuple(term for term in keywords if (plain := _plain(term)) and f" {plain} " in heard)


def _plain(text: str) -> str:
    """Words alone, in one case."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _NO_WORD.sub(" ", folded.replace("'", "").replace("’", "")).strip()
