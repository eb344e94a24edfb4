"""
Adapters that give all kinds of engines one interface: admit utterances, then step.

`adapter_for` chooses the adapter for an engine.
"""

import sys
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Protocol

import numpy as np

from .engines.base import (
    WITHHELD_TOO_SHORT,
    ContinuousEngine,
    Effort,
    Engine,
    EngineError,
    Hypothesis,
    StepwiseEngine,
    Utterance,
)
from .engines.common.memory import is_out_of_memory, memory_error

EngineResult = Hypothesis | EngineError
"""The outcome of an utterance: its transcript, or the error that it caused."""


class EngineAdapter(Protocol):
    """The interface that the executor needs of an engine of any kind.  Used from one thread at a time."""

    joins: bool
    """Whether utterances may be admitted while others are being transcribed."""

    one_by_one: bool
    """Whether the engine transcribes one utterance at a time, so that the others would only wait in it."""

    def admit(self, utterances: Sequence[Utterance]) -> list[int]:
        """Add utterances.  Returns one ticket for each, in order."""
        ...

    def promote(self, ticket: int) -> None:
        """The text of this speculative utterance is needed now: nothing overtakes it any more."""
        ...

    def step(self) -> list[tuple[int, EngineResult]]:
        """
        Advance the engine by one step.  Returns the finished utterances as (ticket, outcome).

        Raises EngineBrokenError when the process must be restarted.
        """
        ...


def adapter_for(engine: Engine) -> EngineAdapter:
    """Return the adapter for `engine`.  Utterances that are too short for words never reach the engine."""
    match engine:
        case ContinuousEngine():
            return ScreeningAdapter(ContinuousAdapter(engine))
        case StepwiseEngine():
            return ScreeningAdapter(StepwiseAdapter(engine))
        case _:
            return ScreeningAdapter(BatchAdapter(engine))


def adapters_for(engine: Engine, threads: int) -> list[EngineAdapter]:
    """Return an adapter for each thread of `engine`: `threads` of a stepwise engine, one of any other."""
    count_of = threads if isinstance(engine, StepwiseEngine) else 1
    return [adapter_for(engine) for _ in range(count_of)]


class ScreeningAdapter:
    """Withholds utterances that are too short for words (`SHORTEST`), and passes all others to `adapter`."""

    def __init__(self, adapter: EngineAdapter) -> None:
        self._adapter = adapter
        self.joins, self.one_by_one = adapter.joins, adapter.one_by_one
        self._tickets = count()
        self._asked: dict[int, int] = {}
        """Our ticket by the ticket of the inner adapter."""

        self._screened: list[tuple[int, EngineResult]] = []

    def admit(self, utterances: Sequence[Utterance]) -> list[int]:
        """See EngineAdapter."""
        admitted = [(next(self._tickets), one) for one in utterances]
        long = [(ticket, one) for ticket, one in admitted if not one.is_too_short]
        inner = self._adapter.admit([one for _, one in long]) if long else []
        self._asked |= {one: ticket for one, (ticket, _) in zip(inner, long, strict=True)}
        self._screened += [
            (ticket, WITHHELD_TOO_SHORT) for ticket, one in admitted if one.is_too_short
        ]
        return [ticket for ticket, _ in admitted]

    def promote(self, ticket: int) -> None:
        """See EngineAdapter."""
        for inner, ours in self._asked.items():
            if ours == ticket:
                self._adapter.promote(inner)

    def step(self) -> list[tuple[int, EngineResult]]:
        """See EngineAdapter."""
        screened, self._screened = self._screened, []
        answers = self._adapter.step() if self._asked else []
        return screened + [(self._asked.pop(ticket), answer) for ticket, answer in answers]


class BatchAdapter:
    """
    Adapter for an engine that transcribes whole batches: one step finishes all admitted utterances.

    If memory runs out, batches become half as large permanently.
    """

    joins = one_by_one = False

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tickets = count()
        self._admitted: list[tuple[int, Utterance]] = []
        self._most = sys.maxsize

    def admit(self, utterances: Sequence[Utterance]) -> list[int]:
        """See EngineAdapter."""
        admitted = [(next(self._tickets), one) for one in utterances]
        self._admitted += admitted
        return [ticket for ticket, _ in admitted]

    def promote(self, ticket: int) -> None:
        """See EngineAdapter.  The next step finishes it in any case."""

    def step(self) -> list[tuple[int, EngineResult]]:
        """See EngineAdapter.  If a batch fails, its utterances are tried one by one."""
        admitted, self._admitted = self._admitted, []
        if not admitted:
            return []
        answers = self._transcribe([utterance for _, utterance in admitted])
        return [(ticket, answer) for (ticket, _), answer in zip(admitted, answers, strict=True)]

    def _transcribe(self, batch: Sequence[Utterance]) -> list[EngineResult]:
        if len(batch) > self._most:
            return self._in_parts(batch, self._most)
        try:
            return list(self._engine.transcribe(batch))
        except EngineError as exc:
            return [exc] if len(batch) == 1 else self._in_parts(batch, 1)
        except Exception as exc:
            if not is_out_of_memory(exc):
                raise
            if len(batch) == 1:
                raise memory_error(lambda: self._probe(batch[0])) from exc
        self._most = len(batch) // 2
        return self._in_parts(batch, self._most)

    def _in_parts(self, batch: Sequence[Utterance], size: int) -> list[EngineResult]:
        parts = [batch[start : start + size] for start in range(0, len(batch), size)]
        return [answer for part in parts for answer in self._transcribe(part)]

    def _probe(self, like: Utterance) -> None:
        silence = replace(like, samples=np.zeros_like(like.samples), keywords=(), previous="")
        self._engine.transcribe([silence])


class ContinuousAdapter:
    """Adapter for an engine that accepts new utterances between its steps."""

    joins, one_by_one = True, False

    def __init__(self, engine: ContinuousEngine) -> None:
        self._engine = engine
        self._faults = count(-1, -1)
        self._refused: list[tuple[int, EngineResult]] = []

    def admit(self, utterances: Sequence[Utterance]) -> list[int]:
        """See EngineAdapter.  If the engine refuses, they are admitted one by one; the error is the outcome."""
        try:
            return self._engine.admit(utterances)
        except EngineError as exc:
            if len(utterances) == 1:
                ticket = next(self._faults)  # the engine counts upwards
                self._refused.append((ticket, exc))
                return [ticket]
        return [ticket for one in utterances for ticket in self.admit([one])]

    def promote(self, ticket: int) -> None:
        """See EngineAdapter.  All utterances advance together."""

    def step(self) -> list[tuple[int, EngineResult]]:
        """See EngineAdapter."""
        refused, self._refused = self._refused, []
        return [*refused, *self._engine.step()]


@dataclass(frozen=True, slots=True)
class _Begun:
    """An utterance of a stepwise engine, and its work so far."""

    ticket: int
    key: str
    work: Generator[None, None, Hypothesis]


class StepwiseAdapter:
    """
    Adapter for an engine that transcribes one utterance at a time.

    A step finishes one final, the oldest.  Only without finals a step advances the oldest speculative utterance a
    little; only without those, the oldest partial.  So a final waits at most for one step of another utterance,
    which goes on when no finals are left.
    """

    joins = one_by_one = True

    def __init__(self, engine: StepwiseEngine) -> None:
        self._engine = engine
        self._tickets = count()
        self._finals: deque[_Begun] = deque()
        self._drafts: deque[_Begun] = deque()
        self._partials: deque[_Begun] = deque()
        self._abandoned: list[tuple[int, EngineResult]] = []

    def admit(self, utterances: Sequence[Utterance]) -> list[int]:
        """
        See EngineAdapter.

        What is in work of the same utterance is abandoned; partials only if a final or a draft is admitted.
        """
        admitted = [
            _Begun(next(self._tickets), one.key, self._engine.steps(one)) for one in utterances
        ]
        for begun, one in zip(admitted, utterances, strict=True):
            self._abandon(self._drafts, begun.key)
            if one.effort is Effort.PARTIAL:
                self._partials.append(begun)
                continue
            self._abandon(self._partials, begun.key)
            (self._drafts if one.speculative else self._finals).append(begun)
        return [begun.ticket for begun in admitted]

    def promote(self, ticket: int) -> None:
        """See EngineAdapter."""
        for begun in [one for one in self._drafts if one.ticket == ticket]:
            self._drafts.remove(begun)
            self._finals.append(begun)

    def step(self) -> list[tuple[int, EngineResult]]:
        """See EngineAdapter."""
        finished, self._abandoned = self._abandoned, []
        for waiting in (self._finals, self._drafts, self._partials):
            if waiting:
                answer = self._advanced(waiting[0], whole=waiting is self._finals)
                if answer is not None:
                    finished.append((waiting.popleft().ticket, answer))
                break
        return finished

    def _advanced(self, begun: _Begun, *, whole: bool) -> EngineResult | None:
        """The outcome after one step, or, if `whole`, after all steps; None if more steps follow."""
        try:
            next(begun.work)
            while whole:
                next(begun.work)
        except StopIteration as done:
            heard: Hypothesis = done.value
            return heard
        except EngineError as exc:
            return exc
        return None

    def _abandon(self, waiting: deque[_Begun], key: str) -> None:
        """Close the work on an utterance that is in `waiting`."""
        for begun in [one for one in waiting if key and one.key == key]:
            begun.work.close()
            waiting.remove(begun)
            self._abandoned.append(
                (begun.ticket, EngineError("a newer job of its segment has come"))
            )
