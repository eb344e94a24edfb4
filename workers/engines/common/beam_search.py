"""
Search for the best sequence of tokens: greedy, or beam search with a bias towards keywords.

Pure: a search gives the tokens to try next (`tokens`) and the index of the earlier row that each continues
(`parents`).  The owner of the model passes back the log-probabilities of the next tokens (`observe`).

Keyword biasing by shallow fusion (Zhao et al., "Shallow-Fusion End-to-End Contextual Biasing", Interspeech 2019):
every token that continues a keyword gets a bonus, which is taken back if the keyword is not completed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

LogProbs = npt.NDArray[np.float32]
"""float32, `[rows, vocabulary]`: one row for each of a search's `tokens`."""


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """Start token, end token and limits of a search."""

    start: int
    end: int
    most: int
    """Number of tokens after which the search stops, even without the end token."""

    sure_of_nothing: float = 0.998
    """
    The end token may come first, so that there are no words, only with at least this probability.

    Below that, the search looks at the next tokens too.  Before card numbers that were read out clearly, the end
    token had a probability of up to 0.98, and yet each digit after it was almost certain.
    """

    length_reward: float = 0.0
    """
    Added to the score of a row for each token, by beam search.

    Every token lowers the score, so that a short wrong text may win over a whole sentence.  But with a reward the
    search also repeats a digit once too often or too seldom: it is for a second search.
    """


@dataclass(frozen=True, slots=True)
class Found:
    """The best sequence of tokens."""

    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    """Of the model, without any keyword bonus."""

    nothing: float
    """Probability, before the first token, that there are no words at all."""

    complete: bool
    """Whether the search found the end token before its limit of tokens."""

    score: float = 0.0
    """Sum of the log-probabilities, that of the end included, and of all bonuses; of a beam search."""

    end: float = 0.0
    """Log-probability of the end token."""


class Greedy:
    """Greedy search: always the likeliest token.  The cheapest search."""

    def __init__(self, limits: SearchLimits) -> None:
        self._limits = limits
        self._row: list[int] = []
        self._log_probs: list[float] = []
        self._next = limits.start
        self._nothing = 0.0
        self.parents: Sequence[int] = (0,)
        self.finished = limits.most == 0

    @property
    def tokens(self) -> Sequence[int]:
        """The token to try next."""
        return (self._next,)

    def observe(self, log_probs: LogProbs) -> None:
        """Add the likeliest next token."""
        row = log_probs[0]
        if not self._row:
            self._nothing = float(np.exp(row[self._limits.end]))
            row = without_early_end(log_probs, self._limits)[0]
        token = int(row.argmax())
        if token == self._limits.end:
            self.finished = True
            return
        self._row.append(token)
        self._log_probs.append(float(row[token]))
        self._next = token
        self.finished = len(self._row) >= self._limits.most

    def found(self) -> Found:
        """The result so far."""
        complete = len(self._row) < self._limits.most
        return Found(tuple(self._row), tuple(self._log_probs), self._nothing, complete)


@dataclass(slots=True)
class _Node:
    """A node of the keyword trie.  Changed while the trie is built, only read afterwards."""

    follows: dict[int, "_Node"] = field(default_factory=dict)
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Leaning:
    """The keyword state of a row: its node in the trie, and the bonus to take back if the keyword ends here."""

    node: _Node = field(repr=False)
    owed: float = 0.0


class Bias:
    """The keywords as a trie of tokens.  Constant once built."""

    def __init__(self, spellings: Iterable[Sequence[int]], bonus: float) -> None:
        self._root = _Node()
        self._bonus = bonus
        for spelling in spellings:
            node = self._root
            for token in spelling:
                node = node.follows.setdefault(token, _Node())
            node.whole = node is not self._root

    def start(self) -> Leaning:
        """The state outside any keyword."""
        return Leaning(self._root)

    def inside(self, tokens: Sequence[int]) -> frozenset[int]:
        """The places in a row that lie inside whole keywords of two tokens or more: one token is a common word."""
        found: set[int] = set()
        for start in range(len(tokens)):
            node, end = self._root, start
            for place in range(start, len(tokens)):
                if (following := node.follows.get(tokens[place])) is None:
                    break
                node = following
                end = place + 1 if node.whole else end
            if end - start > 1:
                found.update(range(start, end))
        return frozenset(found)

    def leads(self, leaning: Leaning) -> dict[int, float]:
        """The tokens that continue or begin a keyword, each with its change of a row's score."""
        begin = dict.fromkeys(self._root.follows, self._bonus - leaning.owed)
        return begin | dict.fromkeys(leaning.node.follows, self._bonus)

    def follow(self, leaning: Leaning, token: int) -> tuple[Leaning, float]:
        """The state after `token`, and the change of the row's score."""
        if (node := leaning.node.follows.get(token)) is not None:
            owed, gain = leaning.owed + self._bonus, self._bonus
        elif (node := self._root.follows.get(token)) is not None:
            owed, gain = self._bonus, self._bonus - leaning.owed
        else:
            return self.start(), -leaning.owed
        if node.whole:
            # The keyword is complete and keeps its bonus; a longer keyword may continue from here.
            owed = 0.0
        return Leaning(node, owed), gain


@dataclass(frozen=True, slots=True)
class _Row:
    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    score: float
    leaning: Leaning
    end: float = 0.0


@dataclass(frozen=True, slots=True)
class _Candidate:
    parent: int
    token: int
    score: float
    leaning: Leaning


class Beam:
    """Beam search over the `width` best rows, with a bias towards keywords."""

    def __init__(self, limits: SearchLimits, bias: Bias, width: int) -> None:
        self._limits, self._bias, self._width = limits, bias, width
        self._rows = [_Row((), (), 0.0, bias.start())]
        self._ended: list[_Row] = []
        self._nothing = 0.0
        self.parents: Sequence[int] = (0,)
        self.finished = limits.most == 0

    @property
    def tokens(self) -> Sequence[int]:
        """The last token of each row."""
        return [row.tokens[-1] if row.tokens else self._limits.start for row in self._rows]

    def observe(self, log_probs: LogProbs) -> None:
        """Continue with the best of all continuations of all rows."""
        if not self._rows[0].tokens:
            self._nothing = float(np.exp(log_probs[0, self._limits.end]))
            log_probs = without_early_end(log_probs, self._limits)
        best = sorted(self._candidates(log_probs), key=lambda each: -each.score)[: self._width]
        going = [each for each in best if each.token != self._limits.end]
        self._ended += [
            self._end(each, log_probs) for each in best if each.token == self._limits.end
        ]
        if going:
            self.parents = [each.parent for each in going]
            self._rows = [self._extended(each, log_probs) for each in going]
        self.finished = not going or self._settled()

    def found(self) -> Found:
        """The best row that has ended, or else the best of those that have not."""
        return self.candidates(1)[0]

    def candidates(self, count: int) -> list[Found]:
        """The best rows that have ended, best first; if none has, the best of the others."""
        complete = bool(self._ended)
        rows = sorted(self._ended or self._rows, key=lambda row: -row.score)
        return [
            Found(row.tokens, row.log_probs, self._nothing, complete, row.score, row.end)
            for row in rows[: count if complete else 1]
        ]

    def _candidates(self, log_probs: LogProbs) -> list[_Candidate]:
        """For each row its likeliest next tokens, and the best of those that spell a keyword, with scores."""
        found: list[_Candidate] = []
        for parent, (row, following) in enumerate(zip(self._rows, log_probs, strict=True)):
            likeliest = _likeliest(following, self._width)
            for token in {*likeliest, *self._promising(row, following)}:
                leaning, gain = self._bias.follow(row.leaning, token)
                score = row.score + float(following[token]) + gain + self._limits.length_reward
                found.append(_Candidate(parent, token, score, leaning))
        return found

    def _promising(self, row: _Row, following: LogProbs) -> list[int]:
        """The few best-scored of the tokens that spell a keyword."""
        leads = self._bias.leads(row.leaning)
        scored = sorted(leads, key=lambda token: -(leads[token] + float(following[token])))
        return scored[: self._width]

    def _extended(self, candidate: _Candidate, log_probs: LogProbs) -> _Row:
        row, token = self._rows[candidate.parent], candidate.token
        likely = float(log_probs[candidate.parent, token])
        return _Row(
            (*row.tokens, token), (*row.log_probs, likely), candidate.score, candidate.leaning
        )

    def _end(self, candidate: _Candidate, log_probs: LogProbs) -> _Row:
        row = self._rows[candidate.parent]
        end = float(log_probs[candidate.parent, candidate.token])
        return _Row(row.tokens, row.log_probs, candidate.score, candidate.leaning, end)

    def _settled(self) -> bool:
        """Whether no better row is likely: scores seldom rise, except with the tokens of keywords."""
        longest = len(self._rows[0].tokens)
        best = max((row.score for row in self._ended), default=-np.inf)
        return longest >= self._limits.most or best >= max(row.score for row in self._rows)


def _likeliest(following: npt.NDArray[np.float32], count: int) -> list[int]:
    """
    Return the likeliest tokens of a row, of equal ones the last.

    A few searches for the largest take a quarter of a partition's time.
    """
    left, found = following[::-1].copy(), list[int]()
    for _ in range(min(count, len(left))):
        place = int(left.argmax())
        left[place] = -np.inf
        found.append(len(left) - 1 - place)
    return found


def without_early_end(log_probs: LogProbs, limits: SearchLimits) -> LogProbs:
    """
    Rule out the end token as the first token, unless it is nearly certain.

    Moonshine sometimes ends at once on real speech.
    """
    if np.exp(log_probs[0, limits.end]) >= limits.sure_of_nothing:
        return log_probs
    open_ended = log_probs.copy()
    open_ended[:, limits.end] = -np.inf
    return open_ended


def log_softmax(logits: npt.NDArray[np.float32]) -> LogProbs:
    """Log-probabilities of each row of logits."""
    normal: LogProbs = logits - logits.max(axis=-1, keepdims=True)
    normal -= np.log(np.exp(normal).sum(axis=-1, keepdims=True))
    return normal
