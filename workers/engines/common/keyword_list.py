"""Keywords for engines whose prompt takes a limited number of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from protocol.calls.keywords import clean

from .keyword_ranking import by_sound, in_order

_ROLE_END = ":"
"""Ends the name of a role in the prompts of chat models: a keyword must not contain it."""


@dataclass(frozen=True, slots=True)
class ListedKeywords:
    """The keywords for a prompt, and the flags for those that are not in it."""

    terms: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


def listed(
    keywords: Sequence[str], most: int, heard: Callable[[], str], language: str
) -> ListedKeywords:
    """
    At most `most` valid keywords; of a longer list those that sound most like the text.

    `heard`: returns the text without keywords; called only if the list is too long.  `language`: of it, ISO 639.
    """
    cleaned = clean([keyword for keyword in keywords if _ROLE_END not in keyword])
    terms, flags = cleaned.terms, []
    if len(terms) > most:
        flags.append(f"keywords_dropped:{len(terms) - most}")
        terms = in_order(by_sound(terms, heard(), language)[:most], terms)
    if refused := len(keywords) - len(cleaned.terms):
        flags.append(f"keywords_refused:{refused}")
    return ListedKeywords(terms, tuple(flags))
