"""The search for the tokens of an utterance: greedy for a partial, a beam for a final."""

from collections.abc import Generator, Sequence
from functools import lru_cache, partial

import numpy as np

from protocol.clock import ENGINE_RATE

from ..base import Effort, Utterance
from ..common.beam_search import Beam, Bias, Found, Greedy, LogProbs, SearchLimits, log_softmax
from ..common.drafts import continuation
from .keyword_bias import BONUS, bias_of
from .left_context import Continued
from .second_view import CANDIDATES, View, in_both_views
from .tokens import END, START, Vocabulary

_BIASES_KEPT = 64

_TOKENS_PER_SECOND, _TOKENS_MORE = 12.0, 8
"""
Limit of the text's length, which bounds a loop.  The fastest speech on a real call had 8.7 tokens a second for 1.5
s; six digits a second, each with its comma, make twelve.
"""

_TOKENS_A_STEP = 8
"""Tokens between which the engine does not turn to another utterance: about 30 ms."""

_GUESSED = 8
"""Most tokens that are guessed at a time."""


class TokenSearch:
    """Searches with one vocabulary; keeps the biases of the latest keyword lists."""

    def __init__(self, vocabulary: Vocabulary, width: int) -> None:
        """`width`: beam width for finals."""
        self._vocabulary = vocabulary
        self._width = width
        self.bias = lru_cache(_BIASES_KEPT)(partial(bias_of, vocabulary))
        """The lean of a search towards keywords; arguments as those of `bias_of`."""

    def run(
        self,
        utterance: Utterance,
        view: View,
        terms: tuple[str, ...],
        *,
        bonus: float = BONUS,
        reward: float = 0.0,
    ) -> Generator[None, None, Found]:
        """Return the best of `candidates`."""
        found = yield from self.candidates(utterance, view, terms, bonus=bonus, reward=reward)
        return found[0]

    def candidates(
        self,
        utterance: Utterance,
        view: View,
        terms: tuple[str, ...],
        *,
        bonus: float = BONUS,
        reward: float = 0.0,
    ) -> Generator[None, None, Sequence[Found]]:
        """
        Return the best texts found in a view of the audio, searched with a lean towards `terms`.

        `bonus`: how strong it is; `reward`: for each token, in log probability.  A step is some tokens.
        """
        search = self._search(utterance, self.bias(terms, bonus), reward)
        draft = self._draft(utterance)
        if not search.finished:
            self._begin(search, view, draft)
            yield
        while not search.finished:
            for _ in range(_TOKENS_A_STEP):
                if not search.finished:
                    self._advance(search, view, draft)
            yield
        return search.candidates(CANDIDATES) if isinstance(search, Beam) else [search.found()]

    def in_both_views(self, found: Sequence[Found], second: View) -> Generator[None, None, Found]:
        """Return the best of the texts `found` by its scores in the first view and in the `second`."""
        again = []
        for one in found:
            seen = log_softmax(second.begin([START, *one.tokens]))
            seen[:1] = self._begun(seen[:1])
            again.append(in_both_views(one, seen, END))
            yield
        return max(again, key=lambda one: one.score)

    def _advance(self, search: Greedy | Beam, view: View, draft: Sequence[int]) -> None:
        """Let `search` choose its next tokens after one run of the decoder."""
        if isinstance(search, Greedy):
            guess = continuation(search.found().tokens, draft, _GUESSED)
            self._check(search, view, guess or self._vocabulary.stop)
        else:
            search.observe(view.follow(search.tokens, search.parents))

    def _check(self, search: Greedy, view: View, guess: Sequence[int]) -> None:
        """Let a greedy search choose its next token, and more as long as they are those of `guess`."""
        read = len(search.found().tokens)
        logits = view.read([*search.tokens, *guess])
        for place in range(len(logits)):
            search.observe(log_softmax(logits[place : place + 1]))
            if search.finished or [*search.tokens] != [*guess[place : place + 1]]:
                view.keep(read + 1 + place)
                return

    def _draft(self, utterance: Utterance) -> Sequence[int]:
        """
        Tokens that a partial is likely to begin with: those of the partial before it.

        One run of the decoder checks them all; where the search chooses another token, it goes on from there.
        """
        if utterance.effort is not Effort.PARTIAL:
            return ()
        words = utterance.previous.split()
        return [token for word in words for token in self._vocabulary.tokens(word)]

    def _begin(self, search: Greedy | Beam, view: View, draft: Sequence[int]) -> None:
        """Let `search` choose its first token, and more as long as they are those of `draft`."""
        logits = view.begin([START, *draft])
        for place in range(len(logits)):
            log_probs = log_softmax(logits[place : place + 1])
            is_first = place == 0 and not isinstance(view, Continued)
            search.observe(self._begun(log_probs) if is_first else log_probs)
            if search.finished or [*search.tokens] != [*draft[place : place + 1]]:
                view.keep(place + 1)
                return

    def _begun(self, log_probs: LogProbs) -> LogProbs:
        """
        Give the probability of each first token to its twin with a capital.

        After a first word without one the model writes the whole text without capitals and punctuation.
        """
        small, capital = self._vocabulary.capitals
        begun = log_probs.copy()
        begun[:, capital] = np.logaddexp(begun[:, capital], begun[:, small])
        begun[:, small] = -np.inf
        return begun

    def _search(self, utterance: Utterance, bias: Bias, length_reward: float) -> Greedy | Beam:
        seconds = len(utterance.samples) / ENGINE_RATE
        most = round(_TOKENS_PER_SECOND * seconds) + _TOKENS_MORE
        limits = SearchLimits(START, END, most, length_reward=length_reward)
        if utterance.effort is Effort.PARTIAL:
            return Greedy(limits)
        return Beam(limits, bias, self._width)
