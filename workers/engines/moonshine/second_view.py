"""
A second view of the audio of a doubtful final: the same samples between two stretches of comfort noise.

The encoder places its frames from the first sample on, and expects some quiet before and behind speech.  A word at
the limit of two spellings ("America", "Americans") depends on a few milliseconds.  The best texts of the search are
scored in both views, and the one with the best mean makes fewer errors than that of the first view alone
(docs/benchmarks.md: `bench/short_answers.py`).  Each text takes one run of the decoder.  Where nobody waits, a
search follows the mean of both views instead: two runs for each token, and also texts that are not among the best
of one view.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Protocol

import numpy as np

from protocol.clock import ENGINE_RATE

from ..base import Samples
from ..common.beam_search import Found, LogProbs, log_softmax
from .sessions import Floats

_SHORT = 3.5
"""Seconds.  A second search of longer finals costs too much to be done for every improbable word."""

_DOUBTFUL, _DOUBTFUL_IN_LONG = 0.5, 0.25
"""
Least probability of a word, product of those of its tokens, of a final that is not searched again.

Of a long final a single word must be less probable: with more of them, it stays as unsure in the second view.
"""

_AROUND = 3 * ENGINE_RATE // 10
"""Samples of noise before and behind.  0.1 s and 0.5 s make more errors."""

_NOISE_DBFS = -60.0


CANDIDATES = 4
"""Texts of the search that are scored in the second view.  Eight find no more words right."""


class View(Protocol):
    """A decoder at one view of the audio; see `decoder.Decoder`."""

    def begin(self, tokens: Sequence[int]) -> Floats:
        """Begin again with one row.  Returns the logits of the token after each of `tokens`."""
        ...

    def read(self, tokens: Sequence[int]) -> Floats:
        """Continue the only row with `tokens`.  Returns the logits of the token after each of them."""
        ...

    def keep(self, tokens: int) -> None:
        """Keep only the first `tokens` of each row."""
        ...

    def follow(self, tokens: Sequence[int], parents: Sequence[int]) -> LogProbs:
        """Log-probabilities of the token after each of `tokens`, which continue the rows `parents`."""
        ...


class BothViews:
    """Two views as one decoder: the means of their log-probabilities."""

    def __init__(self, one: View, other: View) -> None:
        self._views = (one, other)

    def begin(self, tokens: Sequence[int]) -> Floats:
        """See View."""
        return _mean([log_softmax(view.begin(tokens)) for view in self._views])

    def read(self, tokens: Sequence[int]) -> Floats:
        """See View."""
        return _mean([log_softmax(view.read(tokens)) for view in self._views])

    def keep(self, tokens: int) -> None:
        """See View."""
        for view in self._views:
            view.keep(tokens)

    def follow(self, tokens: Sequence[int], parents: Sequence[int]) -> LogProbs:
        """See View."""
        return _mean([view.follow(tokens, parents) for view in self._views])


def in_both_views(first: Found, seen: LogProbs, end: int) -> Found:
    """
    Return a text with the means of its log-probabilities in both views.

    `seen`: of the second view, before each token of the text and before its end token `end`.
    """
    second = [float(seen[place, token]) for place, token in enumerate((*first.tokens, end))]
    means = [
        (one + other) / 2 for one, other in zip((*first.log_probs, first.end), second, strict=True)
    ]
    gained = first.score - sum(first.log_probs) - first.end
    *log_probs, last = means
    return replace(first, log_probs=tuple(log_probs), end=last, score=sum(means) + gained)


def is_doubtful(words: Sequence[float], seconds: float, *, unhurried: bool = False) -> bool:
    """
    Whether a final of `seconds` needs the second view; `words`: the probability of each word, 0 to 1.

    `unhurried`: a long final needs it as soon as a short one, for twice the processor's time of all finals.
    """
    if unhurried or seconds <= _SHORT:
        return min(words, default=1.0) < _DOUBTFUL
    return sum(word < _DOUBTFUL_IN_LONG for word in words) == 1


def with_noise_around(samples: Samples, longest: int) -> Samples:
    """The second view: the same noise at every call, and less of it if the whole would exceed `longest` samples."""
    around = max(0, min(_AROUND, (longest - len(samples)) // 2))
    before, behind = _comfort_noise()
    return np.concatenate([before[_AROUND - around :], samples, behind[:around]])


@cache
def _comfort_noise() -> tuple[Samples, Samples]:
    level = 10 ** (_NOISE_DBFS / 20)
    noise = np.random.default_rng(15).normal(0.0, level, (2, _AROUND)).astype(np.float32)
    return noise[0], noise[1]


def _mean(views: Sequence[LogProbs]) -> LogProbs:
    return np.asarray(np.mean(views, axis=0), dtype=np.float32)
