"""Both kinds of engine behind one interface."""

import numpy as np
import pytest
from support.engines import ContinuousTeller, LengthTeller, StepwiseTeller
from support.job_streams import speech

from workers.engine_adapter import EngineAdapter, EngineResult, adapter_for
from workers.engines.base import SHORTEST, Effort, EngineError, Hypothesis, Utterance


def heard(answer: EngineResult) -> str:
    return answer.text if isinstance(answer, Hypothesis) else f"fault: {answer}"


def finished(adapter: EngineAdapter, tickets: list[int]) -> list[str]:
    """The results of the tickets, in their order, after any number of steps."""
    answers: dict[int, EngineResult] = {}
    while not answers.keys() >= set(tickets):
        answers |= adapter.step()
    return [heard(answers[ticket]) for ticket in tickets]


def short(one: Utterance) -> bool:
    return len(one.samples) < 8_000


@pytest.mark.parametrize("engine", [LengthTeller, ContinuousTeller])
def test_each_utterance_gets_its_own_answer(
    engine: type[LengthTeller] | type[ContinuousTeller],
) -> None:
    adapter = adapter_for(engine())

    tickets = adapter.admit([Utterance(speech(9)), Utterance(speech(6))])

    assert finished(adapter, tickets) == ["9 tenths", "6 tenths"]


@pytest.mark.parametrize("engine", [LengthTeller, ContinuousTeller])
def test_a_faulty_utterance_gets_an_error_and_the_others_are_transcribed(
    engine: type[LengthTeller] | type[ContinuousTeller],
) -> None:
    adapter = adapter_for(engine(fault=short))

    tickets = adapter.admit([Utterance(speech(tenths)) for tenths in (9, 3, 6, 2)])

    told = "fault: told to fail"
    assert finished(adapter, tickets) == ["9 tenths", told, "6 tenths", told]


def test_only_an_engine_that_has_the_verbs_lets_others_join() -> None:
    assert (adapter_for(LengthTeller()).joins, adapter_for(ContinuousTeller()).joins) == (
        False,
        True,
    )


def test_a_batch_engine_is_given_everybody_at_once() -> None:
    engine = LengthTeller()
    adapter = adapter_for(engine)

    finished(adapter, adapter.admit([Utterance(speech(1)), Utterance(speech(2))]))

    assert engine.batches == [2]


def test_an_utterance_that_joins_later_may_finish_earlier() -> None:
    adapter = adapter_for(ContinuousTeller())
    (long,) = adapter.admit([Utterance(speech(9))])
    adapter.step()

    (brief,) = adapter.admit([Utterance(speech(2))])

    assert finished(adapter, [brief]) == ["2 tenths"]
    assert finished(adapter, [long]) == ["9 tenths"]


def test_a_fault_is_an_answer_and_no_exception() -> None:
    adapter = adapter_for(ContinuousTeller(fault=short))
    (ticket,) = adapter.admit([Utterance(speech(1))])

    ((answered, answer),) = adapter.step()

    assert answered == ticket
    assert isinstance(answer, EngineError)


@pytest.mark.parametrize("engine", [LengthTeller, ContinuousTeller])
def test_a_sound_shorter_than_any_word_never_reaches_an_engine(
    engine: type[LengthTeller] | type[ContinuousTeller],
) -> None:
    """A thousand samples in a batch with others, and alone: the engine would fail at it."""
    adapter = adapter_for(engine(fault=lambda one: len(one.samples) < SHORTEST))

    tickets = adapter.admit([Utterance(speech(2)), Utterance(np.ones(1_000, np.float32))])
    (alone,) = adapter.admit([Utterance(np.ones(0, np.float32))])

    assert finished(adapter, [*tickets, alone]) == ["2 tenths", "", ""]
    assert adapter.step() == []


def partial(tenths: int, key: str = "") -> Utterance:
    return Utterance(speech(tenths), Effort.PARTIAL, key=key)


def test_each_final_is_answered_when_it_is_done() -> None:
    adapter = adapter_for(StepwiseTeller())
    first, second = adapter.admit([Utterance(speech(9)), Utterance(speech(3))])

    assert [ticket for ticket, _ in adapter.step()] == [first]
    assert [ticket for ticket, _ in adapter.step()] == [second]
    assert adapter.step() == []


def test_a_final_overtakes_partials_that_wait_or_have_begun() -> None:
    engine = StepwiseTeller()
    adapter = adapter_for(engine)
    begun, waiting = adapter.admit([partial(4), partial(5)])
    adapter.step()

    (final,) = adapter.admit([Utterance(speech(2))])

    assert [ticket for ticket, _ in adapter.step()] == [final]
    assert finished(adapter, [begun, waiting]) == ["4 tenths", "5 tenths"]
    assert engine.worked == [4, 2, 2, 4, 4, 4, 5, 5, 5, 5, 5]  # nothing is done twice


def test_a_partial_is_abandoned_when_the_final_of_its_segment_comes() -> None:
    engine = StepwiseTeller()
    adapter = adapter_for(engine)
    _, other = adapter.admit([partial(4, key="a"), partial(5, key="b")])
    adapter.step()

    (final,) = adapter.admit([Utterance(speech(6), key="a")])

    assert finished(adapter, [final]) == ["6 tenths"]
    assert finished(adapter, [other]) == ["5 tenths"]
    assert engine.worked.count(4) == 1


def test_an_abandoned_partial_is_answered_with_an_error() -> None:
    adapter = adapter_for(StepwiseTeller())
    (ticket,) = adapter.admit([partial(4, key="a")])
    adapter.admit([Utterance(speech(6), key="a")])

    answers = dict(adapter.step())

    assert isinstance(answers[ticket], EngineError)


def test_a_faulty_utterance_of_a_stepwise_engine_fails_alone() -> None:
    adapter = adapter_for(StepwiseTeller(fault=short))

    tickets = adapter.admit([Utterance(speech(3)), Utterance(speech(9)), partial(2)])

    told = "fault: told to fail"
    assert finished(adapter, tickets) == [told, "9 tenths", told]
