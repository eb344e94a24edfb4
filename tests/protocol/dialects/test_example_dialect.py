"""The example of docs/contributing/dialect.md is a working dialect."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from recordings import DialectRecording, parse, replay
from support.examples import examples
from support.snippets import module_of, snippet
from test_contract import AnyOrder

from protocol.bridge_events import AudioReceived, CallClosed, CallOpened
from protocol.dialects.base import Dialect, Request

PAGE = "docs/contributing/dialect.md"


@pytest.fixture
def toy(tmp_path: Path) -> DialectRecording:
    made: Callable[[Request], Dialect] = module_of(PAGE, "protocol/dialects/toy.py", tmp_path).Toy

    class OfTheExample(DialectRecording):
        def open(self) -> Dialect:
            return made(self.request)

    recording = parse(snippet(PAGE, "tests/protocol/dialects/recorded/toy.jsonl"))
    return OfTheExample(recording.request, recording.turns, recording.greeting)


def test_the_recording_of_the_example_is_answered_as_recorded(toy: DialectRecording) -> None:
    events, answered = replay(toy)

    assert [type(event) for event in events] == [CallOpened, AudioReceived, CallClosed]
    assert [answers for _, answers in answered] == [turn.answers for turn, _ in answered]


def test_the_example_passes_the_contract_test_with_messages_in_any_order(
    toy: DialectRecording,
) -> None:
    class OfTheExample(AnyOrder):
        recording = toy

    OfTheExample.TestCase.settings = settings(
        max_examples=examples(20), stateful_step_count=15, deadline=None
    )

    OfTheExample.TestCase().runTest()
