"""The form in which a client wants the text of a call."""

from dataclasses import dataclass
from enum import StrEnum

MOST_REPLACEMENTS = 200
LONGEST_REPLACED = 100
"""Characters of a text to be replaced, and of the text in its place."""


class Signs(StrEnum):
    """What is done with punctuation and capitals."""

    AS_HEARD = "as_heard"
    """As the engine writes them."""

    RESTORED = "restored"
    """Added by rules where the engine writes none."""

    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Replacement:
    """Words to be replaced, in any case, and the text in their place; empty: the words are left out."""

    words: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class TextForm:
    """How text is shown. The default is the text as the engine writes it."""

    numerals: bool = False
    """Numbers as digits, dates, times, amounts, addresses and codes as people write them."""

    signs: Signs = Signs.AS_HEARD
    without_fillers: bool = False
    """Words such as `uh` are left out."""

    without_profanity: bool = False
    """Swear words are replaced by asterisks."""

    replacements: tuple[Replacement, ...] = ()

    @property
    def changes_words(self) -> bool:
        """Whether text in this form may differ from what the engine writes."""
        return self != AS_HEARD


AS_HEARD = TextForm()
AS_WRITTEN = TextForm(numerals=True, signs=Signs.RESTORED)
"""Text as people write it."""
