"""OpenAI's realtime transcription."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from recordings import load, replay, request

from protocol.bridge_events import (
    AudioReceived,
    BridgeEvent,
    CallOpened,
    DialectError,
    EarlyError,
    FinalizeRequested,
    KeywordsChanged,
    MarkReceived,
)
from protocol.dialects.openai.realtime import OpenAI
from protocol.events import (
    CallWarning,
    Fault,
    Final,
    KeywordsApplied,
    LineWarning,
    MarkReached,
    Partial,
    SegmentFailed,
    SegmentId,
    Span,
    SpeechStarted,
    Timing,
    TranscriptEvent,
    Word,
)
from protocol.events.event_codec import entry_of


def openai() -> OpenAI:
    return OpenAI(request("/v1/realtime?intent=transcription", {"sec-websocket-key": "x"}))


def update(**fields: Any) -> dict[str, Any]:
    session = {"type": "transcription", "audio": {"input": fields}}
    return {"type": "session.update", "session": session}


def append(payload: bytes) -> dict[str, Any]:
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(payload).decode()}


def say(dialect: OpenAI, *messages: dict[str, Any]) -> list[BridgeEvent]:
    return [event for message in messages for event in dialect.receive(json.dumps(message))]


def told(dialect: OpenAI, *events: TranscriptEvent) -> list[Any]:
    dialect.outbox()
    for event in events:
        dialect.notify(entry_of(event, None if isinstance(event, Partial) else 1))
    return [json.loads(message) for message in dialect.outbox()]


def words(text: str) -> tuple[Word, ...]:
    return tuple(Word(word) for word in text.split())


def partial(text: str, stable: int) -> Partial:
    return Partial(SegmentId(0, 0), Span(0, 8_000), 1, words(text), stable)


def final(text: str, number: int = 0) -> Final:
    return Final(
        SegmentId(0, number), Span(0, 8_000), words(text), "en", 0, (), "e", Timing(1, 2), ()
    )


def test_a_recorded_conversation() -> None:
    (opened, *rest), _ = replay(load("openai"))

    assert isinstance(opened, CallOpened)
    assert (opened.rate, opened.config.keywords.terms) == (8_000, ("Acme", "Priya Raman"))
    assert isinstance(rest[0], AudioReceived)
    assert rest[0].pcm.tolist() == [0, 0, 0, 0]
    assert rest[1:] == [FinalizeRequested(None), KeywordsChanged(("Zephyr",), ())]


def test_deltas_are_only_added_to() -> None:
    dialect = openai()
    say(dialect, update(format={"type": "audio/pcmu"}))

    events = told(
        dialect,
        partial("My polly", 1),
        partial("My policy num", 2),
        partial("By policy number", 3),
        final("My policy number is"),
    )

    deltas = [event["delta"] for event in events if event["type"].endswith(".delta")]
    assert "".join(deltas) == "My policy number is"
    assert deltas[:2] == ["My", " policy"]


def test_where_the_final_contradicts_the_deltas_completed_has_the_text_that_counts() -> None:
    dialect = openai()
    say(dialect, update(format={"type": "audio/pcmu"}))

    events = told(dialect, partial("By policy", 2), final("My policy number"))

    assert [event["delta"] for event in events if event["type"].endswith(".delta")] == ["By policy"]
    assert events[-1]["transcript"] == "My policy number"


def test_without_turn_detection_all_between_two_commits_is_one_item() -> None:
    dialect = openai()
    heard = say(
        dialect,
        update(format={"type": "audio/pcmu"}, turn_detection=None),
        append(b"\xff"),
        {"type": "input_audio_buffer.commit"},
    )
    (_, committed) = (json.loads(message) for message in dialect.outbox()[1:])

    events = told(
        dialect,
        SpeechStarted(SegmentId(0, 0), 0),
        final("Hello."),
        final("Goodbye.", 1),
        MarkReached(f"commit:{committed['item_id']}"),
    )

    assert heard[-2:] == [FinalizeRequested(None), MarkReceived(f"commit:{committed['item_id']}")]
    assert [event["type"].rsplit(".", 1)[1] for event in events] == ["delta", "completed"]
    assert events[-1]["transcript"] == "Hello. Goodbye."
    assert events[-1]["item_id"] == committed["item_id"]


def test_two_commits_are_two_items() -> None:
    dialect = openai()
    commit = {"type": "input_audio_buffer.commit"}
    say(dialect, update(format={"type": "audio/pcmu"}, turn_detection=None), commit)
    dialect.outbox()

    say(dialect, commit)

    (second,) = (json.loads(message) for message in dialect.outbox())
    assert second["item_id"] != second["previous_item_id"]


def test_a_segment_that_failed_is_said_of_its_item() -> None:
    dialect = openai()
    say(dialect, update(format={"type": "audio/pcmu"}))

    started, failed = told(
        dialect,
        SpeechStarted(SegmentId(0, 0), 0),
        SegmentFailed(SegmentId(0, 0), Span(0, 800), "no engine"),
    )

    assert failed["type"] == "conversation.item.input_audio_transcription.failed"
    assert (failed["item_id"], failed["error"]["message"]) == (started["item_id"], "no engine")


@pytest.mark.parametrize(
    ("format", "rate"),
    [
        ({"type": "audio/pcm"}, 24_000),
        ({"type": "audio/pcm", "rate": 16_000}, 16_000),
        ({"type": "audio/pcmu", "rate": 24_000}, 8_000),
        ("g711_alaw", 8_000),
    ],
)
def test_audio_is_taken_at_the_rate_that_its_format_names(format: object, rate: int) -> None:  # noqa: A002
    (opened,) = say(openai(), update(format=format))

    assert isinstance(opened, CallOpened)
    assert opened.rate == rate


def test_half_a_sample_waits_for_its_other_half() -> None:
    tone = np.arange(24_000, dtype="<i2").tobytes()

    dialect = openai()
    dialect.open_late()

    rest = say(
        dialect, *[append(tone[start : start + 1_001]) for start in range(0, len(tone), 1_001)]
    )

    pcm = np.concatenate([event.pcm for event in rest if isinstance(event, AudioReceived)])
    assert pcm.tolist() == list(range(24_000))


def test_the_form_before_todays_is_understood() -> None:
    session = {
        "input_audio_format": "g711_alaw",
        "input_audio_transcription": {"model": "whisper-1", "prompt": "Acme, Priya Raman"},
        "turn_detection": None,
    }

    (opened,) = say(openai(), {"type": "transcription_session.update", "session": session})

    assert isinstance(opened, CallOpened)
    assert (opened.rate, opened.config.keywords.terms) == (8_000, ("Acme", "Priya Raman"))


def test_a_prompt_that_is_a_sentence_is_no_keyword() -> None:
    update_message = update(transcription={"prompt": "Expect words about the insurance of cars"})

    (opened,) = say(openai(), update_message)

    assert isinstance(opened, CallOpened)
    assert opened.config.keywords.terms == ()


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([{"type": "input_audio_buffer.commit"}], "nothing to commit"),
        ([{"type": "session.update", "session": {"type": "realtime"}}], "only sessions of type"),
        ([update(format={"type": "audio/opus"})], "must be audio/pcmu, audio/pcma or audio/pcm"),
        ([update(format={"type": "audio/pcm", "rate": 96000})], "send 8000 to 48000"),
        ([update(), update(format={"type": "audio/pcmu"})], "format cannot change"),
        ([{"type": "input_audio_buffer.append", "audio": "?"}], "audio is not base64"),
    ],
)
def test_errors_are_precise_and_reported_in_band(
    messages: list[dict[str, Any]], complaint: str
) -> None:
    dialect = openai()

    with pytest.raises(DialectError, match=complaint):
        say(dialect, *messages)

    error = json.loads(dialect.outbox()[-1])
    assert (error["type"], complaint in error["error"]["message"]) == ("error", True)


def test_audio_may_come_before_the_update_that_says_what_it_is() -> None:
    dialect = openai()
    dialect.outbox()

    with pytest.raises(EarlyError, match=r"audio before session\.update"):
        say(dialect, append(b"\xff"))
    opened, heard = say(dialect, update(format={"type": "audio/pcmu"}), append(b"\xff"))

    assert isinstance(opened, CallOpened)
    assert isinstance(heard, AudioReceived)
    assert (opened.rate, heard.pcm.tolist()) == (8_000, [0])
    assert [json.loads(message)["type"] for message in dialect.outbox()] == ["session.updated"]


def test_an_ignored_option_is_reported_as_an_error_and_the_call_goes_on() -> None:
    dialect = openai()
    (opened,) = say(dialect, update(transcription={"language": 7, "keywords": ["Acme"]}))

    (told_,) = told(dialect, CallWarning(0, "option_ignored", "language was ignored: why"))

    assert isinstance(opened, CallOpened)
    assert [warning.message.split(":")[0] for warning in opened.warnings] == [
        "language was ignored"
    ]
    assert opened.config.keywords.terms == ("Acme",)
    assert (told_["type"], told_["error"]["code"]) == ("error", "option_ignored")


def test_warnings_are_in_the_session_that_is_sent_again() -> None:
    dialect = openai()
    say(dialect, update(format="g711_ulaw"))
    warning = LineWarning(0, Fault.WRONG_LAW, "check the encoding", 1.0, "bits", 8_000)

    keywords, line = told(dialect, KeywordsApplied(0, ("Acme",), ("🚀: only letters",)), warning)

    assert keywords["type"] == line["type"] == "session.updated"
    assert keywords["x"] == {"warnings": ["keywords: 🚀: only letters"]}
    assert line["x"]["warnings"][1] == "audio: wrong_law: check the encoding"
    assert line["session"] == keywords["session"]
