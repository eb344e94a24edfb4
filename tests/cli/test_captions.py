"""Live captions of a call."""

import io
import json
from typing import Any

import pytest
from rich.console import Console, RenderableType

from cli.captions import Captions
from protocol.calls.call import Role
from protocol.events import (
    CallEnded,
    Final,
    KeywordsApplied,
    Partial,
    SegmentFailed,
    SegmentId,
    Span,
    SpeechStarted,
    Timing,
    TranscriptEvent,
    Word,
)
from protocol.events.event_codec import EventJsonWriter, entry_of

AGENT, CUSTOMER = 0, 1


def public(event: TranscriptEvent) -> dict[str, Any]:
    """The event as a gateway sends it."""
    event_writer = EventJsonWriter("call-1", (Role.AGENT, Role.CUSTOMER))
    decoded: dict[str, Any] = json.loads(event_writer.write(entry_of(event, None)))
    return decoded


def words(text: str) -> tuple[Word, ...]:
    return tuple(Word(word) for word in text.split())


def partial(text: str, stable: int = 0, channel: int = CUSTOMER) -> dict[str, Any]:
    span = Span(8_000, 16_000)
    return public(Partial(SegmentId(channel, 0), span, 1, words(text), stable))


def final(
    text: str, channel: int = CUSTOMER, start: int = 8_000, end: int = 24_000
) -> dict[str, Any]:
    where, span = SegmentId(channel, 0), Span(start, end)
    return public(Final(where, span, words(text), "en", 0, (), "engine", Timing(1, 2)))


def shown(captions: Captions) -> list[str]:
    """The lines below the finals, the status last."""
    terminal = Console(file=io.StringIO(), width=200, color_system=None)
    with terminal.capture() as capture:
        terminal.print(captions.render())
    return [line.rstrip() for line in capture.get().splitlines()]


def colours(what: RenderableType) -> dict[str, str]:
    """How each word is written."""
    segments = Console(file=io.StringIO(), width=200, color_system="truecolor").render(what)
    return {word: str(part.style or "none") for part in segments for word in part.text.split()}


def test_a_partial_changes_in_place() -> None:
    captions = Captions()
    captions.take(partial("my policy"), 0)

    captions.take(partial("my policy number"), 0)

    assert shown(captions) == ["customer my policy number …", ""]


def test_a_line_opens_when_speech_starts() -> None:
    captions = Captions()

    captions.take(public(SpeechStarted(SegmentId(AGENT, 0), 0)), 0)

    assert shown(captions)[0].split() == ["agent", "…"]


def test_channels_that_speak_at_the_same_time_have_separate_lines() -> None:
    captions = Captions()
    captions.take(partial("hold on", channel=CUSTOMER), 0)

    captions.take(partial("one moment", channel=AGENT), 0)

    assert [line.split()[0] for line in shown(captions)[:2]] == ["agent", "customer"]


def test_words_that_will_stay_stand_out() -> None:
    captions = Captions()
    captions.take(partial("my policy umber", stable=2), 0)

    text = colours(captions.render())

    assert text["policy"] == "none"
    assert text["umber"] == "dim italic"


def test_the_words_of_a_final_are_written_plainly() -> None:
    captions = Captions()

    said = captions.take(final("My policy number."), 0)

    assert said is not None
    assert colours(said.text)["policy"] == "none"


def test_a_final_takes_the_place_of_its_partial() -> None:
    captions = Captions()
    captions.take(partial("my policy umber"), 0)

    said = captions.take(final("My policy number."), 0)

    assert said is not None
    assert "My policy number." in said.text.plain
    assert shown(captions) == [""]


def test_a_final_without_words_is_not_printed() -> None:
    captions = Captions()
    captions.take(partial("uh"), 0)

    said = captions.take(final(""), 9_000)

    assert said is None
    assert shown(captions) == [""]
    assert captions.lags == []


@pytest.mark.parametrize("late", [partial("my pol"), public(SpeechStarted(SegmentId(1, 0), 0))])
def test_what_comes_behind_its_final_opens_no_line(late: dict[str, Any]) -> None:
    captions = Captions()
    captions.take(final("My policy number."), 0)

    captions.take(late, 0)

    assert shown(captions) == [""]


def test_a_final_says_when_and_by_whom_and_how_late() -> None:
    captions = Captions()
    minute = 60 * 8_000

    said = captions.take(final("Goodbye.", AGENT, minute, minute + 8_000), 61_400)

    assert said is not None
    assert said.text.plain.split() == ["01:00", "agent", "Goodbye.", "+0.4", "s"]
    assert captions.lags == [400]


def test_a_final_that_came_before_the_end_of_its_segment_was_sent_is_not_early() -> None:
    captions = Captions()

    captions.take(final("Hello."), 2_990)

    assert captions.lags == [0]


def test_agent_and_customer_have_colours_of_their_own() -> None:
    captions = Captions()

    agent = captions.take(final("Hello.", AGENT), 0)
    customer = captions.take(final("Hello.", CUSTOMER), 0)

    assert agent is not None
    assert customer is not None
    assert colours(agent.text)["agent"] != colours(customer.text)["customer"]


@pytest.mark.parametrize(
    ("keyword", "text", "marked"),
    [
        ("Zelvo Dock", "your zelvo dock.", True),  # as the call wrote it, or not
        ("Maren", "Marenka speaking", False),  # whole words only
        ("C++", "the C++ course", True),  # a sign at its end
        ("A.B", "the axb", False),  # a dot is a dot
    ],
)
def test_keywords_stand_out(keyword: str, text: str, marked: bool) -> None:
    captions = Captions([keyword])

    said = captions.take(final(text), 0)

    assert said is not None
    assert any("on bright_yellow" in style for style in colours(said.text).values()) is marked


def test_a_failed_segment_is_said_with_its_reason() -> None:
    captions = Captions()
    captions.take(partial("my"), 0)
    failed = SegmentFailed(SegmentId(CUSTOMER, 0), Span(0, 8_000), "the engine gave up")

    said = captions.take(public(failed), 0)

    assert said is not None
    assert "customer: the engine gave up" in said.text.plain
    assert shown(captions) == [""]


def test_refused_keywords_are_said_and_accepted_ones_are_not() -> None:
    captions = Captions()

    refused = captions.take(public(KeywordsApplied(1, ("Maren",), ("x" * 3 + ": too odd",))), 0)
    accepted = captions.take(public(KeywordsApplied(2, ("Maren",), ())), 0)

    assert refused is not None
    assert "xxx: too odd" in refused.text.plain
    assert accepted is None


def test_the_end_of_the_call_is_remembered() -> None:
    captions = Captions()
    assert not captions.ended

    captions.take(public(CallEnded("stop", 8_000, 1, ())), 0)

    assert captions.ended is not None
    assert captions.ended["reason"] == "stop"


def test_unknown_events_are_skipped() -> None:
    captions = Captions()

    assert captions.take({"type": "weather", "sunny": True}, 0) is None


def test_the_status_stands_below() -> None:
    captions = Captions()
    captions.take(partial("my policy"), 0)

    captions.say("12 of 96 s")

    assert shown(captions)[-1] == "12 of 96 s"


def test_an_event_type_of_a_newer_gateway_changes_nothing() -> None:
    captions = Captions()

    assert captions.take({"type": "speaker.changed", "v": 1}, 0) is None
    assert shown(captions) == [""]


def test_events_that_cannot_be_read_are_told_once_and_end_nothing() -> None:
    captions = Captions()
    broken = [
        {},
        {"type": "segment.final"},
        final("hello") | {"text": None},
        final("hello") | {"role": []},
    ]

    lines = [captions.take(event, 0) for event in broken]

    assert [line is not None for line in lines] == [True, False, False, False]
    assert captions.take(final("hello"), 0)
