"""
Greedy decoding with continuous batching.

A segment joins the running ones between two steps and leaves as soon as its text is finished.  A draft is verified
in the prefill of the prompt.  Only tokens that greedy decoding would choose too are accepted, so the text is the
same with and without a draft; unless the draft is trusted (`Row.trust`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import torch

from .llm import KeyValues, LanguageModel
from .stopping import StoppingRule, stop_reason


@dataclass(frozen=True, slots=True)
class DecodeRow:
    """A segment to decode."""

    ticket: int
    prompt: torch.Tensor = field(repr=False)
    """[tokens, hidden]: template, audio, instruction and keywords."""

    most: int
    """Longest text in tokens."""

    draft: tuple[int, ...] = ()
    trust: float | None = None
    """
    Least probability with which a token of the draft is accepted although another one is likelier.

    None: only tokens that greedy decoding would choose are accepted.
    """


@dataclass(frozen=True, slots=True)
class Scored:
    """A token with its log-probability."""

    token: int
    log_prob: float


@dataclass(frozen=True, slots=True)
class Written:
    """The finished text of a segment, with the length of its draft and the number of accepted tokens."""

    ticket: int
    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    ending: StoppingRule
    drafted: int = 0
    accepted: int = 0


@dataclass(slots=True)
class _Running:
    row: DecodeRow
    tokens: list[int]
    log_probs: list[float]
    drafted: int
    accepted: int

    @property
    def position(self) -> int:
        """Cache column of the newest token, which is not in the cache yet."""
        return len(self.row.prompt) + len(self.tokens) - 1


class Stepper(Protocol):
    """One decode step for the first rows of the cache."""

    def step(
        self, tokens: Sequence[int], positions: Sequence[int]
    ) -> tuple[list[int], list[float]]:
        """The next token of each row, and its log-probability."""
        ...


class EagerStepper:
    """Steps by calling the model directly: exact sizes, one kernel after another."""

    def __init__(self, model: LanguageModel, cache: KeyValues) -> None:
        self._model, self._cache = model, cache

    def step(
        self, tokens: Sequence[int], positions: Sequence[int]
    ) -> tuple[list[int], list[float]]:
        """See Stepper."""
        at = torch.tensor(list(positions), device=self._model.device)
        now = torch.tensor(list(tokens), device=self._model.device)
        with torch.inference_mode():
            hidden = self._model.step(now, at, self._cache, max(positions) + 1)
            chosen, log_probs = self._model.choose(hidden)
        return chosen.tolist(), log_probs.tolist()


class BatchDecoder:
    """The running segments, in the first slots of the cache."""

    def __init__(
        self, model: LanguageModel, cache: KeyValues, stepper: Stepper, end: frozenset[int],
        *, cut_loops: bool = True,
    ) -> None:  # fmt: skip
        self._model, self._cache, self._stepper = model, cache, stepper
        self._end, self._cut_loops = end, cut_loops
        self._running: list[_Running] = []
        self._written: list[Written] = []

    @property
    def running(self) -> int:
        """Number of segments that are being decoded."""
        return len(self._running)

    @property
    def free(self) -> int:
        """Number of segments that can join."""
        return self._cache.slots - len(self._running)

    def admit(self, rows: Sequence[DecodeRow]) -> None:
        """
        Prefill the prompts of `rows` (at most `free`), verify their drafts, and start decoding them.

        If it fails, none of them is started.
        """
        first = len(self._running)
        try:
            self._admit(rows, range(first, first + len(rows)))
        except BaseException:
            del self._running[first:]
            mine = {row.ticket for row in rows}
            self._written = [one for one in self._written if one.ticket not in mine]
            raise

    def _admit(self, rows: Sequence[DecodeRow], slots: range) -> None:
        with torch.inference_mode():
            starts = [self._start(row) for row in rows]
            hidden = self._model.prefill(starts, list(slots), self._cache)
            asked = [
                states[len(row.prompt) - 1 :] for row, states in zip(rows, hidden, strict=True)
            ]
            drafted = [token for row in rows for token in (*row.draft, 0)]
            found = self._model.verify(torch.cat(asked), drafted)
        chosen, log_probs, given = (iter(half.tolist()) for half in found)
        for row in rows:
            count = len(row.draft) + 1
            best = [Scored(*one) for one in islice(zip(chosen, log_probs, strict=True), count)]
            self._running.append(_begun(row, best, list(islice(given, count))))
        for slot in reversed(slots):
            self._retire(slot, since=1)

    def step(self) -> list[Written]:
        """Decode one more token for all running segments.  Returns the texts that are finished now."""
        if self._running:
            tokens, log_probs = self._stepper.step(
                [one.tokens[-1] for one in self._running], [one.position for one in self._running]
            )
            for one, token, score in zip(self._running, tokens, log_probs, strict=True):
                one.tokens.append(token)
                one.log_probs.append(score)
            for slot in reversed(range(len(self._running))):
                self._retire(slot, since=len(self._running[slot].tokens))
        finished, self._written = self._written, []
        return finished

    def withdraw(self) -> list[tuple[DecodeRow, tuple[int, ...]]]:
        """Stop all running segments.  Returns their rows with the tokens so far, in the order of their slots."""
        stopped = [(one.row, tuple(one.tokens)) for one in self._running]
        self._running.clear()
        return stopped

    def _start(self, row: DecodeRow) -> torch.Tensor:
        if not row.draft:
            return row.prompt
        return torch.cat([row.prompt, self._model.embed(row.draft).to(row.prompt.dtype)])

    def _retire(self, slot: int, since: int) -> None:
        """Remove the segment in `slot` if one of its tokens, from the `since`-th on, ends its text."""
        one = self._running[slot]
        for count in range(since, len(one.tokens) + 1):
            tokens = one.tokens if count == len(one.tokens) else one.tokens[:count]
            verdict = stop_reason(tokens, self._end, one.row.most, cut_loops=self._cut_loops)
            if verdict is not None:
                kept = verdict.kept
                self._close_gap(slot)
                self._written.append(
                    Written(
                        one.row.ticket,
                        tuple(one.tokens[:kept]),
                        tuple(one.log_probs[:kept]),
                        verdict.ending,
                        one.drafted,
                        one.accepted,
                    )
                )
                return

    def _close_gap(self, slot: int) -> None:
        """Move the last running segment to a slot that has become free."""
        last = len(self._running) - 1
        if slot < last:
            self._cache.move(last, slot, self._running[last].position)
            self._running[slot] = self._running[last]
        self._running.pop()


def _begun(row: DecodeRow, best: Sequence[Scored], given: Sequence[float]) -> _Running:
    """
    Start a segment with the accepted tokens of its draft and the next token of greedy decoding.

    `best`: the likeliest token at each place of the draft and after it; `given`: log-probabilities of the draft.
    """
    least = math.inf if row.trust is None else math.log(max(row.trust, 1e-30))
    accepted = 0
    while accepted < len(row.draft) and (
        best[accepted].token == row.draft[accepted] or given[accepted] >= least
    ):
        accepted += 1
    tokens = [*row.draft[:accepted], best[accepted].token]
    log_probs = [*given[:accepted], best[accepted].log_prob]
    return _Running(row, tokens, log_probs, len(row.draft), accepted)
