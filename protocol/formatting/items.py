"""The values of formatting: words as they were said, and items as they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..events import Word
from ..numbers.atoms import Atom, atoms
from ..numbers.tokens import Token, tokenise
from .vocabulary import PERCENT

_SIGNS_AFTER = ".,;:!?…"


@dataclass(frozen=True, slots=True)
class Item:
    """A piece of shown text. `first` and `last`: indices of the words that it stands for, both included."""

    text: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Said:
    """The words of a segment, and the numbers in them."""

    words: tuple[str, ...]
    tokens: tuple[Token, ...]
    numbers: tuple[Atom, ...]
    language: str

    @classmethod
    def of(cls, words: Sequence[Word], language: str) -> "Said":
        """Read the words of a segment. `language`: ISO 639."""
        texts = tuple(word.text for word in words)
        tokens = tokenise(texts)
        return cls(
            texts, tokens, tuple(atoms(_without_percent(tokens, language), language)), language
        )

    def word(self, place: int) -> str:
        """The folded word at `place`, without signs; empty if there is none."""
        if not 0 <= place < len(self.words):
            return ""
        return "".join(token.text for token in self.tokens_of(place) if not token.is_sign)

    def tokens_of(self, place: int) -> list[Token]:
        """The tokens of one word."""
        return [token for token in self.tokens if token.word == place]

    def is_closed(self, place: int) -> bool:
        """Whether a sign ends a group behind the word at `place`."""
        return self.words[place][-1:] in _SIGNS_AFTER

    def sign(self, place: int) -> str:
        """The sign behind the word at `place`, which stays behind what is shown for it."""
        last = self.words[place][-1:]
        return last if last in _SIGNS_AFTER else ""


def _without_percent(tokens: Sequence[Token], language: str) -> list[Token]:
    """`tokens` with a sign in the place of the second word of `por ciento`, which is no number."""
    phrases = {phrase for phrase in PERCENT.get(language, ()) if len(phrase) == 2}
    before, replaced = "", []
    for token in tokens:
        replaced.append(replace(token, text="%") if (before, token.text) in phrases else token)
        before = before if token.is_sign else token.text
    return replaced
