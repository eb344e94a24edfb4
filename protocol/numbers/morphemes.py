"""Splits a token into the morphemes of a number word: `zweiundvierzig` is `zwei`, `und`, `vierzig`."""

from functools import lru_cache

from .languages import lexicon_of
from .lexicon import Kind, Lexicon

_LONGEST = 60
"""Characters of the longest number word that is split."""

_JOINED = {"de": "ein", "nl": "een", "it": "un"}
"""The form of `one` that occurs only inside a longer word: `einundzwanzig`."""

Parts = tuple[tuple[Kind, int], ...]


@lru_cache(maxsize=4_096)
def split(text: str, language: str) -> Parts:
    """The morphemes of a folded token; empty if it is not a number word."""
    lexicon = lexicon_of(language)
    if found := lexicon.morphemes.get(text):
        return (found,)
    if not lexicon.compound or not 5 <= len(text) <= _LONGEST:
        return ()
    parts = _compound(text, lexicon)
    return parts if parts and any(kind is not Kind.AND for kind, _ in parts) else ()


def _compound(text: str, lexicon: Lexicon) -> Parts:
    """All of `text` as morphemes, the longest ones first; empty if it has another part."""
    table = dict(lexicon.morphemes)
    if one := _JOINED.get(lexicon.language):
        table[one] = (Kind.UNIT, 1)
    reached: dict[int, Parts] = {len(text): ()}
    for start in range(len(text) - 1, -1, -1):
        for end in range(len(text), start, -1):
            if end in reached and (found := table.get(text[start:end])):
                reached[start] = (found, *reached[end])
                break
    return reached.get(0, ())
