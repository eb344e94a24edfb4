"""
The tokens that a text probably has, from another text of the same speech.  Pure.

One run of the decoder checks many tokens, and takes little longer than a run for a single one: most of its time is
the reading of the weights.  So a search asks for as many as are likely (speculative decoding: Leviathan et al.,
"Fast Inference from Transformers via Speculative Decoding", 2023), and uses those that it would have chosen itself.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

_BEHIND, _BEFORE = 2, 4
"""Tokens before and behind the expected one among which a token is looked for that was not expected."""


@dataclass(frozen=True, slots=True)
class Draft:
    """
    The other text, and the place in it at which the new text is.

    Where the new text leaves the other one, it mostly comes back: after a sign that is new, was left out or is
    another one, after a capital, after another word.
    """

    tokens: Sequence[int] = field(default=(), repr=False)
    signs: frozenset[int] = field(default=frozenset(), repr=False)
    """The tokens that are punctuation."""

    at: int = 0

    def ahead(self, most: int) -> Sequence[int]:
        """The tokens that are expected next, at most so many."""
        return self.tokens[self.at : self.at + most]

    def follow(self, token: int) -> "Draft":
        """The draft behind the next token of the new text."""
        return Draft(self.tokens, self.signs, self._behind(token))

    def _behind(self, token: int) -> int:
        expects_sign = self.at < len(self.tokens) and self.tokens[self.at] in self.signs
        if token in self.signs:
            return self.at + 1 if expects_sign else self.at
        around = range(max(0, self.at - _BEHIND), min(len(self.tokens), self.at + _BEFORE))
        same = [place for place in around if self.tokens[place] == token]
        if same:
            return 1 + min(same, key=lambda place: abs(place - self.at))
        return self.at + 2 if expects_sign else self.at + 1


class EarlierTexts:
    """The tokens that were found last of each utterance; the oldest go first."""

    def __init__(self, most: int = 64) -> None:
        """`most`: number of utterances."""
        self._most = most
        self._texts: OrderedDict[str, tuple[int, ...]] = OrderedDict()

    def keep(self, key: str, tokens: tuple[int, ...]) -> None:
        """Keep the tokens of an utterance, if it has a key."""
        if not key:
            return
        self._texts[key] = tokens
        self._texts.move_to_end(key)
        if len(self._texts) > self._most:
            self._texts.popitem(last=False)

    def of(self, key: str) -> tuple[int, ...]:
        """The tokens that were kept; none if there are none."""
        return self._texts.get(key, ())
