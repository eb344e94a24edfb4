"""
Search for the best row of tokens, greedily or with a beam that leans towards keywords.

Pure: a search says which tokens to try next (`tokens`) and which of the earlier rows each of them continues
(`parents`); whoever owns the model answers with the log-probabilities of what may follow (`observe`).

Keywords by shallow fusion (Zhao et al., "Shallow-Fusion End-to-End Contextual Biasing", Interspeech 2019): every
token that spells a keyword on gets a bonus, which is taken back as soon as the keyword breaks off.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

LogProbs = npt.NDArray[np.float32]
"""One row for each of a search's `tokens`, one column for each token of the vocabulary."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a search starts and must stop."""

    start: int
    end: int
    most: int
    """Tokens after which it stops, whether it has come to an end or not."""

    sure_of_nothing: float = 0.998
    """
    The end may only come first, with no words at all, when it is at least this probable.

    Below, what follows is looked at as well and tells more: the end was first with up to 0.98 before card numbers
    that were read out clearly, each of whose digits was then almost certain.
    """


@dataclass(frozen=True, slots=True)
class Found:
    """The best row."""

    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    """By the model alone, without any bonus."""

    nothing: float
    """Probability, before the first token, that there are no words at all."""

    complete: bool
    """Whether the row came to its end, rather than to the most that was allowed."""


class Greedy:
    """Always the likeliest token: the cheapest search."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._row: list[int] = []
        self._log_probs: list[float] = []
        self._next = limits.start
        self._nothing = 0.0
        self.parents: Sequence[int] = (0,)
        self.finished = limits.most == 0

    @property
    def tokens(self) -> Sequence[int]:
        """The one to try next."""
        return (self._next,)

    def observe(self, log_probs: LogProbs) -> None:
        """Take the likeliest of what may follow."""
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
        """What it has come to."""
        complete = len(self._row) < self._limits.most
        return Found(tuple(self._row), tuple(self._log_probs), self._nothing, complete)


@dataclass(slots=True)
class _Node:
    """A place inside one or more keywords.  Written while the trie grows, only read afterwards."""

    follows: dict[int, "_Node"] = field(default_factory=dict)
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Leaning:
    """How far a row has come into a keyword, and the bonus it would owe if the keyword broke off here."""

    node: _Node = field(repr=False)
    owed: float = 0.0


class Bias:
    """The keywords as a trie of tokens.  Constant once made."""

    def __init__(self, spellings: Iterable[Sequence[int]], bonus: float) -> None:
        self._root = _Node()
        self._bonus = bonus
        for spelling in spellings:
            node = self._root
            for token in spelling:
                node = node.follows.setdefault(token, _Node())
            node.whole = node is not self._root

    def start(self) -> Leaning:
        """Outside any keyword."""
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
        """The tokens that spell a keyword on, or begin one, with what each adds to a row's score."""
        begin = dict.fromkeys(self._root.follows, self._bonus - leaning.owed)
        return begin | dict.fromkeys(leaning.node.follows, self._bonus)

    def follow(self, leaning: Leaning, token: int) -> tuple[Leaning, float]:
        """Where `token` leads, and what it adds to the row's score."""
        if (node := leaning.node.follows.get(token)) is not None:
            owed, gain = leaning.owed + self._bonus, self._bonus
        elif (node := self._root.follows.get(token)) is not None:
            owed, gain = self._bonus, self._bonus - leaning.owed
        else:
            return self.start(), -leaning.owed
        if node.whole:
            # Earned for good; a longer keyword may go on from here.
            owed = 0.0
        return Leaning(node, owed), gain


@dataclass(frozen=True, slots=True)
class _Row:
    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    score: float
    leaning: Leaning


@dataclass(frozen=True, slots=True)
class _Candidate:
    parent: int
    token: int
    score: float
    leaning: Leaning


class Beam:
    """The `width` best rows side by side, leaning towards keywords."""

    def __init__(self, limits: Limits, bias: Bias, width: int) -> None:
        self._limits, self._bias, self._width = limits, bias, width
        self._rows = [_Row((), (), 0.0, bias.start())]
        self._ended: list[_Row] = []
        self._nothing = 0.0
        self.parents: Sequence[int] = (0,)
        self.finished = limits.most == 0

    @property
    def tokens(self) -> Sequence[int]:
        """One for each row: the last it has come to."""
        return [row.tokens[-1] if row.tokens else self._limits.start for row in self._rows]

    def observe(self, log_probs: LogProbs) -> None:
        """Go on with the best of all that may follow all rows."""
        if not self._rows[0].tokens:
            self._nothing = float(np.exp(log_probs[0, self._limits.end]))
            log_probs = without_early_end(log_probs, self._limits)
        best = sorted(self._candidates(log_probs), key=lambda each: -each.score)[: self._width]
        going = [each for each in best if each.token != self._limits.end]
        self._ended += [self._end(each) for each in best if each.token == self._limits.end]
        if going:
            self.parents = [each.parent for each in going]
            self._rows = [self._extended(each, log_probs) for each in going]
        self.finished = not going or self._settled()

    def found(self) -> Found:
        """The best row that came to its end, or else the best of those that did not."""
        complete = bool(self._ended)
        best = max(self._ended or self._rows, key=lambda row: row.score)
        return Found(best.tokens, best.log_probs, self._nothing, complete)

    def _candidates(self, log_probs: LogProbs) -> list[_Candidate]:
        """For each row its likeliest tokens and all that spell a keyword, scored."""
        found: list[_Candidate] = []
        for parent, (row, following) in enumerate(zip(self._rows, log_probs, strict=True)):
            likeliest = np.argpartition(following, -self._width)[-self._width :]
            for token in {*likeliest.tolist(), *self._promising(row, following)}:
                leaning, gain = self._bias.follow(row.leaning, token)
                score = row.score + float(following[token]) + gain
                found.append(_Candidate(parent, token, score, leaning))
        return found

    def _promising(self, row: _Row, following: LogProbs) -> list[int]:
        """Of the tokens that spell a keyword, the few that come out best."""
        leads = self._bias.leads(row.leaning)
        scored = sorted(leads, key=lambda token: -(leads[token] + float(following[token])))
        return scored[: self._width]

    def _extended(self, candidate: _Candidate, log_probs: LogProbs) -> _Row:
        row, token = self._rows[candidate.parent], candidate.token
        likely = float(log_probs[candidate.parent, token])
        return _Row(
            (*row.tokens, token), (*row.log_probs, likely), candidate.score, candidate.leaning
        )

    def _end(self, candidate: _Candidate) -> _Row:
        row = self._rows[candidate.parent]
        return _Row(row.tokens, row.log_probs, candidate.score, candidate.leaning)

    def _settled(self) -> bool:
        """Whether nothing better can be expected: scores fall with every token but a keyword's."""
        longest = len(self._rows[0].tokens)
        best = max((row.score for row in self._ended), default=-np.inf)
        return longest >= self._limits.most or best >= max(row.score for row in self._rows)


def without_early_end(log_probs: LogProbs, limits: Limits) -> LogProbs:
    """
    The same, with an end that would come first ruled out unless it is quite sure.

    Moonshine sometimes ends at once on real speech.
    """
    if np.exp(log_probs[0, limits.end]) >= limits.sure_of_nothing:
        return log_probs
    open_ended = log_probs.copy()
    open_ended[:, limits.end] = -np.inf
    return open_ended


def log_softmax(logits: npt.NDArray[np.float32]) -> LogProbs:
    """Log-probabilities of each row of logits."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    normal: LogProbs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normal
