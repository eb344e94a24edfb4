"""The search for the tokens of an utterance: greedy for a partial, a beam for a final."""

from collections.abc import Generator, Sequence
from functools import lru_cache, partial
from itertools import count

import numpy as np

from protocol.clock import ENGINE_RATE

from ..base import Effort, Utterance
from ..common.beam_search import Beam, Found, Greedy, LogProbs, SearchLimits, log_softmax
from .draft import Draft
from .keyword_bias import BONUS, bias_of
from .left_context import Continued
from .second_view import View
from .tokens import END, START, Vocabulary

_BIASES_KEPT = 64

_TOKENS_PER_SECOND, _TOKENS_MORE = 12.0, 8
"""
Limit of the text's length, which bounds a loop.  The fastest speech on a real call had 8.7 tokens a second for 1.5
s; six digits a second, each with its comma, make twelve.
"""

_RUNS_A_STEP = 6
"""Runs of the decoder between which the engine does not turn to another utterance: about 30 ms."""

_AHEAD_AT_FIRST, _AHEAD, _AHEAD_OF_ROWS = 64, 12, 8
"""
Most tokens of a draft that one run checks: the first run, a run where the text has left the draft, and a run for
several rows.
"""


class TokenSearch:
    """Searches with one vocabulary; keeps the biases of the latest keyword lists."""

    def __init__(self, vocabulary: Vocabulary, width: int) -> None:
        """`width`: beam width for finals."""
        self._vocabulary = vocabulary
        self._width = width
        self._end_of_sentence = vocabulary.written(".")
        """Expected where a draft has no more: a text that is decided to end there needs no run for its end."""

        self.bias = lru_cache(_BIASES_KEPT)(partial(bias_of, vocabulary))
        """The lean of a search towards keywords; arguments as those of `bias_of`."""

    def run(
        self,
        utterance: Utterance,
        view: View,
        terms: tuple[str, ...],
        *,
        draft: Sequence[int] = (),
        bonus: float = BONUS,
        reward: float = 0.0,
    ) -> Generator[None, None, Found]:
        """
        Return the tokens found in a view of the audio, searched with a lean towards `terms`.

        `draft`: tokens that the text probably has.  `bonus`: how strong the lean is; `reward`: for each token, in
        log probability.  A step is some tokens.
        """
        limits, bias = self._limits(utterance, reward), self.bias(terms, bonus)
        if not limits.most:
            return Greedy(limits).found()
        greedy = Greedy(limits)
        yield from self._checked(greedy, view, Draft(draft, self._vocabulary.signs))
        found = greedy.found()
        if utterance.effort is Effort.PARTIAL:
            return found
        again = Draft(found.tokens, self._vocabulary.signs)
        return (yield from self._wider(Beam(limits, bias, self._width, found), view, again))

    def _wider(self, search: Beam, view: View, draft: Draft) -> Generator[None, None, Found]:
        """Search several rows at once.  Each probably goes on like `draft`."""
        search.observe(self._first(view.rewind(), view))
        drafts: Sequence[Draft] = [draft]
        while not search.finished:
            for _ in range(_RUNS_A_STEP):
                if not search.finished:
                    drafts = [
                        drafts[parent].follow(token)
                        for token, parent in zip(search.tokens, search.parents, strict=True)
                    ]
                    ahead = [one.ahead(_AHEAD_OF_ROWS) for one in drafts]
                    search.observe(view.follow(search.tokens, search.parents, ahead))
            yield
        return search.found()

    def _checked(self, search: Greedy, view: View, draft: Draft) -> Generator[None, None, None]:
        """Choose as many tokens with each run of the decoder as are those of `draft`, and one more."""
        asked, kept = [START, *draft.ahead(_AHEAD_AT_FIRST)], 0
        log_probs = view.begin(asked)
        for run in count(1):
            agreed, draft = self._agreed(search, view, draft, asked, log_probs)
            kept += agreed
            if search.finished:
                return
            if run % _RUNS_A_STEP == 1:
                yield
            view.keep(kept)
            asked = [*search.tokens, *(draft.ahead(_AHEAD) or self._end_of_sentence)]
            log_probs = view.extend(asked)

    def _agreed(
        self, search: Greedy, view: View, draft: Draft, asked: Sequence[int], log_probs: LogProbs
    ) -> tuple[int, Draft]:
        """
        Let `search` choose the tokens behind those that were asked, as long as it chooses these.

        Returns how many of `asked` its row has, and the draft behind them.
        """
        for place in range(len(asked)):
            row = log_probs[place : place + 1]
            search.observe(self._first(row, view) if asked[place] == START else row)
            if search.finished:
                return place + 1, draft
            (token,) = search.tokens
            draft = draft.follow(token)
            if [token] != [*asked[place + 1 : place + 2]]:
                return place + 1, draft
        return len(asked), draft

    def _first(self, log_probs: LogProbs, view: View) -> LogProbs:
        """
        The log-probabilities of the first token, as the search shall see them.

        The probability of each token with a small letter is given to its twin with a capital, except behind other
        speech: after a first word without one the model writes the whole text without capitals and punctuation.
        """
        begun = log_softmax(log_probs)  # the mean of two views does not add up to one
        if isinstance(view, Continued):
            return begun
        small, capital = self._vocabulary.capitals
        begun[:, capital] = np.logaddexp(begun[:, capital], begun[:, small])
        begun[:, small] = -np.inf
        return begun

    def _limits(self, utterance: Utterance, length_reward: float) -> SearchLimits:
        seconds = len(utterance.samples) / ENGINE_RATE
        most = round(_TOKENS_PER_SECOND * seconds) + _TOKENS_MORE
        return SearchLimits(START, END, most, length_reward=length_reward)
