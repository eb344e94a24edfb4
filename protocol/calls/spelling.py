"""When a party of a call is spelling: asked for it, or announcing it. Pure."""

from collections import deque
from collections.abc import Mapping, Sequence

from ..clock import from_seconds
from ..events import Final, Span
from ..numbers.lexicon import Phrase, phrases, words
from ..numbers.tokens import fold

_WAIT = from_seconds(20.0)
"""How long after the end of a request, in samples, an answer may begin."""

_FEWEST_LETTERS = 2
"""Single letters of a final after which the spelling may go on for as long again."""

_MOST_REQUESTS = 8
"""Requests that are remembered: older ones ended long ago, unless the call has many channels."""

_SIGNS = ".,;:!?…\"'’()-"

_WORDS: Mapping[str, frozenset[str]] = {
    "en": words("spell spelled spelling spells spelt phonetically"),
}
_PHRASES: Mapping[str, Sequence[Phrase]] = {
    "en": phrases(
        "letter by letter, letter for letter, one letter at a time, phonetic alphabet, nato alphabet"
    ),
}


def asks_for_letters(texts: Sequence[str], language: str) -> bool:
    """Whether words ask for spelling, or announce it: `spell that`, `letter by letter`."""
    plain = tuple(fold(text.strip(_SIGNS)) for text in texts)
    if not _WORDS.get(language, frozenset()).isdisjoint(plain):
        return True
    return any(
        plain[at : at + len(phrase)] == phrase
        for phrase in _PHRASES.get(language, ())
        for at in range(len(plain) - len(phrase) + 1)
    )


class SpellingRequests:
    """Where a call is expected to spell, by its finals. All channels count: one party asks the other."""

    def __init__(self) -> None:
        self._spans: deque[Span] = deque(maxlen=_MOST_REQUESTS)

    def hear(self, final: Final) -> None:
        """Take a final. After a request, or after letters that answer one, 20 seconds may spell."""
        texts = [word.text for word in final.lexical or final.words]
        goes_on = self.covers(final.span.start) and _letters(texts) >= _FEWEST_LETTERS
        if goes_on or asks_for_letters(texts, final.language):
            self._spans.append(Span(final.span.start, final.span.end + _WAIT))

    def covers(self, start: int) -> bool:
        """Whether a segment that begins at `start`, in samples of the call clock, probably spells."""
        return any(span.start <= start < span.end for span in self._spans)


def _letters(texts: Sequence[str]) -> int:
    return sum(len(bare) == 1 and bare.isalpha() for text in texts if (bare := text.strip(_SIGNS)))
