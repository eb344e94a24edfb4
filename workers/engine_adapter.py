"""
Adapters that give all kinds of engines one interface: admit utterances, then step.

`adapter_for` chooses the adapter for an engine.
"""

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol

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

    def step(self) -> list[tuple[int, EngineResult]]:
        """See EngineAdapter."""
        screened, self._screened = self._screened, []
        answers = self._adapter.step() if self._asked else []
        return screened + [(self._asked.pop(ticket), answer) for ticket, answer in answers]


class BatchAdapter:
    """Adapter for an engine that transcribes whole batches: one step finishes all admitted utterances."""

    joins = one_by_one = False

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tickets = count()
        self._admitted: list[tuple[int, Utterance]] = []

    def admit(self, utterances: Sequence[Utterance]) -> list[int]:
        """See EngineAdapter."""
        admitted = [(next(self._tickets), one) for one in utterances]
        self._admitted += admitted
        return [ticket for ticket, _ in admitted]

    def step(self) -> list[tuple[int, EngineResult]]:
        """See EngineAdapter.  If a batch fails, its utterances are tried one by one."""
        admitted, self._admitted = self._admitted, []
        if not admitted:
            return []
        answers = self._transcribe([utterance for _, utterance in admitted])
        return [(ticket, answer) for (ticket, _), answer in zip(admitted, answers, strict=True)]

    def _transcribe(self, batch: Sequence[Utterance]) -> list[EngineResult]:
        try:
            return list(self._engine.transcribe(batch))
        except EngineError as exc:
            if len(batch) == 1:
                return [exc]
        return [answer for one in batch for answer in self._transcribe([one])]


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

    A step finishes one final, the oldest.  Only without finals a step advances the oldest partial a little.  So a
    final waits at most for one step of a partial, which goes on when no finals are left.
    """

    joins = one_by_one = True

    def __init__(self, engine: StepwiseEngine) -> None:
        self._engine = engine
        self._tickets = count()
        self._finals: deque[_Begun] = deque()
        self._partials: deque[_Begun] = deque()
        self._abandoned: list[tuple[int, EngineResult]] = []

    def admit(self, utterances: Sequence[Utterance]) -> list[int]:
        """See EngineAdapter.  Partials are abandoned if the final of their utterance is admitted."""
        admitted = [
            _Begun(next(self._tickets), one.key, self._engine.steps(one)) for one in utterances
        ]
        for begun, one in zip(admitted, utterances, strict=True):
            if one.effort is Effort.FINAL:
                self._finals.append(begun)
                self._abandon(begun.key)
            else:
                self._partials.append(begun)
        return [begun.ticket for begun in admitted]

    def step(self) -> list[tuple[int, EngineResult]]:
        """See EngineAdapter."""
        finished, self._abandoned = self._abandoned, []
        for waiting in (self._finals, self._partials):
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

    def _abandon(self, key: str) -> None:
        """Close the partials of an utterance."""
        for begun in [one for one in self._partials if key and one.key == key]:
            begun.work.close()
            self._partials.remove(begun)
            self._abandoned.append((begun.ticket, EngineError("its final has come")))
