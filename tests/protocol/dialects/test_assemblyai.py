"""AssemblyAI's Universal Streaming."""

import json
from typing import Any

import pytest
from recordings import load, replay, request

from protocol.bridge_events import (
    AudioReceived,
    CallClosed,
    CallOpened,
    DialectError,
    FinalizeRequested,
    KeywordsChanged,
)
from protocol.calls.call import Role
from protocol.calls.text_form import AS_HEARD, AS_WRITTEN, TextForm
from protocol.dialects.assemblyai import AssemblyAI
from protocol.events import (
    CallEnded,
    CallWarning,
    Fault,
    Final,
    KeywordsApplied,
    LineWarning,
    Partial,
    SegmentFailed,
    SegmentId,
    Span,
    Timing,
    TranscriptEvent,
    Word,
)
from protocol.events.event_codec import entry_of

SPAN = Span(0, 8_000)


def assemblyai(query: str = "sample_rate=8000") -> AssemblyAI:
    return AssemblyAI(request(f"/v3/ws?{query}", {"sec-websocket-key": "x"}))


def told(dialect: AssemblyAI, *events: TranscriptEvent) -> list[Any]:
    dialect.outbox()
    for event in events:
        dialect.notify(entry_of(event, None if isinstance(event, Partial) else 1))
    return [json.loads(message) for message in dialect.outbox()]


def final(number: int, text: str) -> Final:
    words = tuple(Word(word) for word in text.split())
    return Final(SegmentId(0, number), SPAN, words, "en", 0, (), "e", Timing(1, 2), ())


def partial(number: int, text: str) -> Partial:
    return Partial(SegmentId(0, number), SPAN, 1, tuple(Word(word) for word in text.split()), 0)


def test_a_recorded_conversation() -> None:
    (opened, *rest), _ = replay(load("assemblyai"))

    assert isinstance(opened, CallOpened)
    assert (opened.roles, opened.rate) == ((Role.MIXED,), 8_000)
    assert opened.config.keywords.terms == ("Acme", "Priya Raman")
    assert isinstance(rest[0], AudioReceived)
    assert rest[0].pcm.tolist() == [1, 2]
    assert rest[1:] == [FinalizeRequested(None), KeywordsChanged(("Zephyr",), ()), CallClosed()]


def test_the_call_has_the_id_that_begin_has_said() -> None:
    dialect = assemblyai()

    (begin,) = (json.loads(message) for message in dialect.outbox())
    opened, _ = dialect.receive(b"\x00\x00")

    assert isinstance(opened, CallOpened)
    assert (begin["type"], begin["id"]) == ("Begin", opened.call_id)


def test_two_connections_have_two_ids() -> None:
    ids = {
        json.loads(AssemblyAI(request("/v3/ws", {"sec-websocket-key": key})).outbox()[0])["id"]
        for key in ("x", "y")
    }

    assert len(ids) == 2


def test_turns_are_counted_as_they_come_and_keep_their_number() -> None:
    turns = told(assemblyai(), partial(0, "a"), partial(1, "b"), final(0, "a"), final(1, "b"))

    assert [(turn["turn_order"], turn["end_of_turn"]) for turn in turns] == [
        (0, False),
        (1, False),
        (0, True),
        (1, True),
    ]


def test_silence_is_no_turn_but_text_that_was_shown_is_taken_back() -> None:
    dialect = assemblyai()

    assert told(dialect, final(0, "")) == []
    _, over = told(dialect, partial(1, "hm"), SegmentFailed(SegmentId(0, 1), SPAN, "no engine"))
    assert (over["transcript"], over["end_of_turn"]) == ("", True)


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("encoding=opus", "encoding 'opus' is not supported"),
        ("sample_rate=96000", "send 8000 to 48000"),
        ("sample_rate=8000&redact_pii=True", "redact_pii is not supported"),
    ],
)
def test_a_session_that_cannot_be_is_refused_at_once_and_in_band(
    query: str, complaint: str
) -> None:
    dialect = assemblyai(query)

    (error,) = (json.loads(message) for message in dialect.outbox())
    assert (error["type"], error["error_code"]) == ("Error", 3006)
    assert complaint in error["error"]
    with pytest.raises(DialectError, match=complaint):
        dialect.receive(b"\x00\x00")


def test_what_there_is_to_warn_of_stands_in_turns_and_in_the_termination() -> None:
    dialect = assemblyai("sample_rate=8000")
    warning = LineWarning(0, Fault.WRONG_RATE, "check sample_rate", 0.5, "times", 8_000)

    turn, over = told(
        dialect,
        KeywordsApplied(0, (), ("🚀: only letters",)),
        warning,
        CallWarning(0, "option_ignored", "language_code was ignored: why"),
        final(0, "hello"),
        CallEnded("completed", 8_000, 1, ()),
    )

    expected = [
        "keyterms_prompt: 🚀: only letters",
        "audio of channel 0: wrong_rate: check sample_rate",
        "language_code was ignored: why",
    ]
    assert turn["x"]["warnings"] == over["x"]["warnings"] == expected


@pytest.mark.parametrize(("query", "form"), [("", AS_HEARD), ("&format_turns=True", AS_WRITTEN)])
def test_a_client_may_ask_for_formatted_turns(query: str, form: TextForm) -> None:
    dialect = assemblyai("sample_rate=8000" + query)

    (opened,) = [one for one in dialect.receive(b"\x00\x00" * 400) if isinstance(one, CallOpened)]
    dialect.outbox()
    words = (Word("Hello", 0, 4_000),)
    final = Final(SegmentId(0, 0), Span(0, 4_000), words, "en", 0, (), "engine", Timing(0, 0))
    dialect.notify(entry_of(final, 1))

    assert opened.config.form == form
    (turn,) = map(json.loads, dialect.outbox())
    assert turn["end_of_turn"] is True
    assert turn["turn_is_formatted"] is (form == AS_WRITTEN)


@pytest.mark.parametrize(
    ("query", "speakers"),
    [
        ("", None),
        ("&speaker_labels=true", 2),
        ("&speaker_labels=true&max_speakers=3", 3),
        ("&speaker_labels=false&max_speakers=3", 0),
    ],
)
def test_speaker_labels_ask_for_the_speakers_of_the_channel(
    query: str, speakers: int | None
) -> None:
    opened, *_ = assemblyai(f"sample_rate=8000{query}").receive(b"\x00\x00")

    assert isinstance(opened, CallOpened)
    assert opened.config.speakers == speakers


def test_more_speakers_than_can_be_told_apart_are_told_as_a_warning() -> None:
    opened, *_ = assemblyai("sample_rate=8000&speaker_labels=true&max_speakers=10").receive(b"\0\0")

    assert isinstance(opened, CallOpened)
    assert opened.config.speakers == 2
    assert len(opened.warnings) == 1


def test_words_have_the_letters_of_their_speakers_and_a_turn_that_of_most_of_its_words() -> None:
    words = (Word("hello", speaker=1), Word("good", speaker=0), Word("day", speaker=0))
    said = Final(SegmentId(0, 0), SPAN, words, "en", 0, (), "e", Timing(1, 2))

    with_speakers, without = told(assemblyai(), said, final(1, "hello"))

    assert [word["speaker"] for word in with_speakers["words"]] == ["B", "A", "A"]
    assert with_speakers["speaker_label"] == "A"
    assert "speaker_label" not in without
    assert "speaker" not in without["words"][0]


def test_words_have_roles_only_if_they_are_asked_for() -> None:
    """AssemblyAI's words have none."""
    words = (Word("hello", speaker=1, role=Role.AGENT), Word("good", speaker=0))
    said = Final(SegmentId(0, 0), SPAN, words, "en", 0, (), "e", Timing(1, 2))

    (asked,) = told(assemblyai("sample_rate=8000&speaker_roles=outbound"), said)
    (unasked,) = told(assemblyai(), said)

    assert [word.get("role") for word in asked["words"]] == ["agent", None]
    assert not [word for word in unasked["words"] if "role" in word]
