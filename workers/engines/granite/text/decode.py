"""
Greedy decoding with continuous batching.

A segment joins the running ones between two steps and leaves when its text is finished.  The loop runs one step
ahead of the host: a step is queued before the tokens of the step before it are read, so the device does not wait
for the stopping rules.  A finished segment takes part in one step more, whose token is not used.

A draft is verified in the prefill of the prompt.  Only tokens that greedy decoding would choose too are accepted,
so the text is the same with and without a draft; unless the draft is trusted (`DecodeRow.trust`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import torch

from .llm import KeyValues, LanguageModel
from .row_state import RowState, Tokens, to_host
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
    column: int
    """Cache column that the next queued step writes."""

    ended: bool = False

    @property
    def full(self) -> bool:
        """Whether the steps that are queued complete the longest text."""
        queued = self.column - (len(self.row.prompt) + len(self.tokens) - 1)
        return len(self.tokens) + queued >= self.row.most


class Stepper(Protocol):
    """Decode steps for the first rows of the cache."""

    @property
    def state(self) -> RowState:
        """The newest tokens of the rows."""
        ...

    def queue(self, rows: int, width: int) -> Callable[[], Tokens]:
        """
        Queue one step for the first `rows` rows.  Returns a function that waits for its tokens.

        `width`: columns of the cache to attend to.
        """
        ...


class EagerStepper:
    """Steps by calling the model directly: exact sizes, one kernel after another."""

    def __init__(self, model: LanguageModel, cache: KeyValues) -> None:
        self._model, self._cache = model, cache
        self.state = RowState(cache.slots, model.device)

    def queue(self, rows: int, width: int) -> Callable[[], Tokens]:
        """See Stepper."""
        state = self.state
        with torch.inference_mode():
            hidden = self._model.step(
                state.tokens[:rows], state.positions[:rows], self._cache, width
            )
            chosen, log_probs = self._model.choose(hidden)
            state.advance(chosen)
            return to_host(chosen, log_probs)


Prefill = Callable[[Sequence[torch.Tensor], range, KeyValues], list[torch.Tensor]]
"""See LanguageModel.prefill."""


@dataclass(frozen=True, slots=True)
class _Queued:
    """A step that has been queued: its rows, and the function that waits for its tokens."""

    rows: tuple[_Running, ...]
    read: Callable[[], Tokens]


class BatchDecoder:
    """The running segments, in the first slots of the cache."""

    def __init__(
        self, model: LanguageModel, cache: KeyValues, stepper: Stepper, end: frozenset[int],
        *, cut_loops: bool = True, prefill: Prefill | None = None,
    ) -> None:  # fmt: skip
        self._model, self._cache, self._stepper = model, cache, stepper
        self._end, self._cut_loops = end, cut_loops
        self._prefill = prefill or model.prefill
        self._running: list[_Running] = []
        self._written: list[Written] = []
        self._queued: _Queued | None = None

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
            hidden = self._prefill(starts, slots, self._cache)
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
        new = self._running[slots.start :]
        self._stepper.state.begin(
            slots.start, [one.tokens[-1] for one in new], [one.column for one in new]
        )
        for slot in reversed(slots):
            self._retire(slot, since=1)

    def step(self) -> list[Written]:
        """Queue one more token for all running segments.  Returns the texts whose end has become known."""
        before, self._queued = self._queued, self._queue()
        if before is not None:
            self._read(before)
        if not self._running:
            self._queued = None
        finished, self._written = self._written, []
        return finished

    def _queue(self) -> _Queued | None:
        """Queue a step, unless all running texts are known to end with the steps that are queued already."""
        if all(one.full for one in self._running):
            return None
        width = max(one.column for one in self._running) + 1
        queued = _Queued(tuple(self._running), self._stepper.queue(len(self._running), width))
        for one in self._running:
            one.column += 1
        return queued

    def _read(self, queued: _Queued) -> None:
        """Add the tokens of a step to the segments that have not ended meanwhile."""
        tokens, log_probs = queued.read()
        for one, token, score in zip(queued.rows, tokens, log_probs, strict=True):
            if not one.ended:
                one.tokens.append(token)
                one.log_probs.append(score)
        stepped = {id(one) for one in queued.rows}
        for slot in reversed(range(len(self._running))):
            if id(self._running[slot]) in stepped:
                self._retire(slot, since=len(self._running[slot].tokens))

    def withdraw(self) -> list[tuple[DecodeRow, tuple[int, ...]]]:
        """Stop all running segments.  Returns their rows with the tokens so far, in the order of their slots."""
        stopped = [(one.row, tuple(one.tokens)) for one in self._running]
        self._running.clear()
        self._queued = None
        self._stepper.state.free()
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
                one.ended = True
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
            self._cache.move(last, slot, self._running[last].column)
            self._stepper.state.move(last, slot)
            self._running[slot] = self._running[last]
        self._running.pop()
        self._stepper.state.free(last)


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
    column = len(row.prompt) + accepted
    return _Running(row, tokens, log_probs, len(row.draft), accepted, column)
