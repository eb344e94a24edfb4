"""Which keywords of a call stand in a text, and how they are written there."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

_NO_WORD = re.compile(r"[^\w]+")
_SIGNS_AROUND = re.compile(r"^(\W*).*?(\W*)$", re.DOTALL)


def keywords_in(text: str, keywords: Iterable[str]) -> tuple[str, ...]:
    """The keywords, as the call wrote them, whose words stand in `text` side by side; case is ignored."""
    heard = f" {_plain(text)} "
    return tuple(term for term in keywords if (plain := _plain(term)) and f" {plain} " in heard)


def written_as_listed(words: Sequence[str], keywords: Iterable[str]) -> list[str]:
    """`words` with every keyword in the call's own spelling: a recogniser knows the sound, not the capitals."""
    written = list(words)
    plain = [_plain(word) for word in words]
    for term in keywords:
        parts = term.split()
        wanted = [_plain(part) for part in parts]
        for start in range(len(plain) - len(parts) + 1):
            if parts and plain[start : start + len(parts)] == wanted:
                for place, part in enumerate(parts, start):
                    before, after = _signs_around(words[place])
                    written[place] = f"{before}{part}{after}"
    return written


def _signs_around(word: str) -> tuple[str, str]:
    """What stands before the first and behind the last letter or digit of a word."""
    found = _SIGNS_AROUND.match(word)
    assert found is not None  # every text matches
    return found[1], found[2]


def _plain(text: str) -> str:
    """Words alone, in one case."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _NO_WORD.sub(" ", folded.replace("'", "").replace("’", "")).strip()
