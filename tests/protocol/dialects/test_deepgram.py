"""Deepgram's live API."""

import json
from dataclasses import replace
from typing import Any

import pytest
from recordings import load, replay, request

from protocol.bridge_events import (
    AudioReceived,
    BridgeEvent,
    CallClosed,
    CallOpened,
    DialectError,
    FinalizeRequested,
    KeywordsChanged,
    MarkReceived,
)
from protocol.calls.call import Role
from protocol.calls.keywords import MOST_TERMS
from protocol.calls.text_form import AS_HEARD, AS_WRITTEN, Replacement, Signs, TextForm
from protocol.dialects.deepgram.live import Deepgram
from protocol.dialects.deepgram.query import terms
from protocol.events import (
    CallEnded,
    CallStarted,
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
from protocol.redaction.policy import CARD_DATA, DataKind

RAW = "encoding=linear16&sample_rate=8000"
WORDS = (Word("Hello", 0, 4_000, 0.9), Word("you", 4_000, 8_000, 0.7))


def deepgram(query: str = RAW) -> Deepgram:
    return Deepgram(request(f"/v1/listen?{query}"))


def say(dialect: Deepgram, *messages: Any) -> list[BridgeEvent]:
    return [
        event
        for message in messages
        for event in dialect.receive(message if isinstance(message, bytes) else json.dumps(message))
    ]


def told(dialect: Deepgram, *events: TranscriptEvent) -> list[Any]:
    for event in events:
        dialect.notify(entry_of(event, None if isinstance(event, Partial) else 1))
    return [json.loads(message) for message in dialect.outbox()]


def final(
    number: int = 0, start: int = 0, end: int = 8_000, words: tuple[Word, ...] = WORDS
) -> Final:
    return Final(
        SegmentId(0, number), Span(start, end), words, "en", 0, (), "engine", Timing(1, 2), ()
    )


def started(number: int = 0, start: int = 0) -> SpeechStarted:
    return SpeechStarted(SegmentId(0, number), start)


def test_a_recorded_conversation() -> None:
    (opened, *rest), _ = replay(load("deepgram"))

    assert isinstance(opened, CallOpened)
    assert (opened.call_id, opened.rate) == ("crm-17", 8_000)
    assert opened.roles == (Role.AGENT, Role.CUSTOMER)
    assert opened.config.keywords.terms == ("Acme", "Priya Raman", "Orvanta")
    assert (opened.config.language, opened.config.hangover_ms) == ("en", 300)
    assert opened.metadata == (("call_id", "crm-17"), ("tag", "sales"))
    assert [
        (event.channel, event.pcm.tolist()) for event in rest if isinstance(event, AudioReceived)
    ] == [(0, [1, 3]), (1, [2, 4])]
    assert [event for event in rest if not isinstance(event, AudioReceived)] == [
        FinalizeRequested(None),
        MarkReceived("finalize:1"),
        KeywordsChanged(("Zephyr",)),
        CallClosed(),
    ]


def test_the_first_frame_opens_the_call_and_is_processed() -> None:
    opened, audio = say(deepgram(), b"\x01\x00")

    assert isinstance(opened, CallOpened)
    assert opened.call_id is None
    assert isinstance(audio, AudioReceived)
    assert audio.pcm.tolist() == [1]


def test_channels_that_are_not_wanted_apart_are_mixed() -> None:
    opened, audio = say(deepgram(RAW + "&channels=2"), b"\x02\x00\x04\x00")

    assert isinstance(opened, CallOpened)
    assert opened.roles == (Role.MIXED,)
    assert isinstance(audio, AudioReceived)
    assert (audio.channel, audio.pcm.tolist()) == (0, [3])


def test_an_empty_message_is_no_end() -> None:
    dialect = deepgram()

    assert say(dialect, b"\x00\x00", b"")[-1] == FinalizeRequested(None)
    assert say(dialect, b"\x00\x00") != []


def test_a_turn_is_not_over_while_speech_goes_on_right_behind_it() -> None:
    dialect = deepgram()
    say(dialect, b"\x00\x00")

    cut, last = told(dialect, started(), started(1, 8_000), final(), final(1, 8_000, 9_000))

    assert (cut["is_final"], cut["speech_final"]) == (True, False)
    assert (last["is_final"], last["speech_final"]) == (True, True)


def test_an_utterance_has_ended_after_the_requested_silence() -> None:
    dialect = deepgram(RAW + "&utterance_end_ms=1000")
    say(dialect, bytes(2 * 8_000))
    (results,) = told(dialect, started(), final())

    say(dialect, bytes(2 * 7_999))
    too_early = dialect.outbox()
    say(dialect, bytes(2))

    assert results["type"] == "Results"
    assert too_early == []
    assert [json.loads(message) for message in dialect.outbox()] == [
        {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": 1.0}
    ]


def test_an_utterance_has_not_ended_during_speech() -> None:
    dialect = deepgram(RAW + "&utterance_end_ms=1000")
    say(dialect, bytes(2 * 8_000))
    told(dialect, started(), final(), started(1, 9_000))

    say(dialect, bytes(2 * 16_000))

    assert dialect.outbox() == []


def test_interim_results_are_sent_if_requested() -> None:
    partial = Partial(SegmentId(0, 0), Span(0, 800), 1, (Word("my"),), 0)
    unasked, asked = deepgram(), deepgram(RAW + "&interim_results=true")
    for dialect in (unasked, asked):
        say(dialect, b"\x00\x00")

    assert told(unasked, started(), partial) == []
    (results,) = told(asked, started(), partial)
    assert (results["is_final"], results["channel"]["alternatives"][0]["transcript"]) == (
        False,
        "my",
    )


def test_words_without_times_share_the_time_of_their_segment() -> None:
    dialect = deepgram()
    say(dialect, b"\x00\x00")

    (results,) = told(dialect, final(words=(Word("abc"), Word("abcdefghijk"))))

    words = results["channel"]["alternatives"][0]["words"]
    assert [(word["start"], word["end"]) for word in words] == [(0.0, 0.25), (0.25, 1.0)]
    assert results["x"]["word_times"] == "estimated"


def test_a_finalize_is_answered_by_the_segment_that_was_open() -> None:
    dialect = deepgram()
    say(dialect, b"\x00\x00")
    told(dialect, started(), started(1, 8_000))

    say(dialect, {"type": "Finalize", "channel": 0})
    earlier, awaited = told(dialect, final(), final(1, 8_000, 9_000))

    assert (earlier["from_finalize"], awaited["from_finalize"]) == (False, True)
    assert told(dialect, MarkReached("finalize:1")) == []


def test_a_finalize_with_nothing_open_is_answered_all_the_same() -> None:
    dialect = deepgram()
    say(dialect, b"\x00\x00", {"type": "Finalize"})

    (results,) = told(dialect, MarkReached("finalize:1"))

    assert results["from_finalize"] is True
    assert results["channel"]["alternatives"][0]["transcript"] == ""


def test_a_segment_that_failed_takes_its_interim_text_back() -> None:
    dialect = deepgram()
    say(dialect, b"\x00\x00")

    (results,) = told(dialect, SegmentFailed(SegmentId(0, 0), Span(0, 800), "no engine"))

    assert (results["is_final"], results["x"]["failed"]) == (True, "no engine")
    assert results["channel"]["alternatives"][0]["transcript"] == ""


def test_a_list_over_the_limit_leaves_the_old_one_in_place() -> None:
    dialect = deepgram()
    say(dialect, b"\x00\x00")

    events = say(
        dialect, {"type": "Configure", "keyterms": [f"name {n}" for n in range(MOST_TERMS + 1)]}
    )

    assert events == []
    (failure,) = told(dialect)
    assert failure["code"] == "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"


def test_audio_after_close_stream_is_ignored() -> None:
    dialect = deepgram()

    assert say(dialect, b"\x00\x00", {"type": "CloseStream"})[-1] == CallClosed()
    assert say(dialect, b"\x00\x00", {"type": "Finalize"}) == []


def test_old_keywords_lose_their_boost() -> None:
    assert terms(["Acme:2.5", "Orvanta:-1", "Priya Raman", "a:b"]) == [
        "Acme",
        "Orvanta",
        "Priya Raman",
        "a:b",
    ]


@pytest.mark.parametrize(
    ("query", "form"),
    [
        ("", AS_HEARD),
        ("&smart_format=true", AS_WRITTEN),
        ("&numerals=true", TextForm(numerals=True)),
        ("&numerals=false", AS_HEARD),
        ("&punctuate=true", TextForm(signs=Signs.RESTORED)),
        ("&punctuate=false", TextForm(signs=Signs.REMOVED)),
        ("&smart_format=true&punctuate=false", TextForm(numerals=True, signs=Signs.REMOVED)),
        ("&profanity_filter=true", TextForm(without_profanity=True)),
        ("&filler_words=true", AS_HEARD),
        ("&filler_words=false", TextForm(without_fillers=True)),
        ("&replace=new%20york:NYC", TextForm(replacements=(Replacement("new york", "NYC"),))),
        (
            "&replace=a:b&replace=gone",
            TextForm(replacements=(Replacement("a", "b"), Replacement("gone"))),
        ),
    ],
)
def test_a_client_chooses_the_form_of_the_text(query: str, form: TextForm) -> None:
    (opened,) = deepgram(RAW + query).receive(b"\x00\x00")[:1]

    assert isinstance(opened, CallOpened)
    assert opened.config.form == form
    assert opened.warnings == ()


def test_a_wrong_wish_for_the_text_is_told() -> None:
    (opened,) = deepgram(f"{RAW}&punctuate=maybe&replace=:x").receive(b"\x00\x00")[:1]

    assert isinstance(opened, CallOpened)
    assert opened.config.form == AS_HEARD
    assert [one.message.partition(" ")[0] for one in opened.warnings] == ["punctuate", "replace"]


def test_search_names_the_places_of_a_term_in_finals_and_partials() -> None:
    dialect = deepgram(f"{RAW}&search=hello%20YOU&search=nobody")
    dialect.receive(b"\x00\x00")

    (answer,) = told(
        dialect, final(words=(*WORDS, Word("Hello,", 8_000, 9_000), Word("you!", 9_000, 9_600)))
    )

    hit = {"confidence": 1.0, "start": 0.0, "end": 1.0, "snippet": "Hello you"}
    again = {"confidence": 1.0, "start": 1.0, "end": 1.2, "snippet": "Hello, you!"}
    assert answer["channel"]["search"] == [
        {"query": "hello YOU", "hits": [hit, again]},
        {"query": "nobody", "hits": []},
    ]


def test_a_term_has_a_bounded_number_of_hits_in_one_result() -> None:
    dialect = deepgram(f"{RAW}&search=a%20a")
    dialect.receive(b"\x00\x00")
    said = tuple(Word("a", at * 80, at * 80 + 80) for at in range(400))

    (answer,) = told(dialect, final(words=said))

    (found,) = answer["channel"]["search"]
    assert [hit["start"] for hit in found["hits"]] == [round(at / 100, 3) for at in range(50)]


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("", frozenset()),
        ("&redact=false", frozenset()),
        ("&redact=pci", CARD_DATA),
        ("&redact=ssn&redact=numbers", {DataKind.SSN, DataKind.NUMBER}),
        ("&redact=true&language=de", {DataKind.NUMBER}),
    ],
)
def test_a_client_may_ask_for_more_redaction(query: str, kinds: frozenset[DataKind]) -> None:
    (opened,) = deepgram(RAW + query).receive(b"\x00\x00")[:1]

    assert isinstance(opened, CallOpened)
    assert opened.config.redact == kinds


def test_a_configure_is_acknowledged_once_and_not_by_the_list_that_the_call_began_with() -> None:
    dialect = deepgram(RAW + "&keyterm=Acme")
    say(dialect, b"\x00\x00", {"type": "Configure", "keyterms": ["Orvanta"]})

    answers = told(
        dialect,
        KeywordsApplied(0, ("Acme",), ()),
        KeywordsApplied(1, ("Orvanta",), ()),
        KeywordsApplied(1, ("Orvanta",), ()),
    )

    assert [(one["type"], one["keyterms"]) for one in answers] == [
        ("ConfigureSuccess", ["Orvanta"])
    ]


def test_a_configure_behind_one_that_is_not_answered_yet_is_refused() -> None:
    dialect = deepgram()
    say(dialect, b"\x00\x00", {"type": "Configure", "keyterms": ["Acme"]})

    events = say(dialect, {"type": "Configure", "keyterms": ["Orvanta"]})

    assert events == []
    (failure,) = told(dialect)
    assert (failure["type"], failure["code"]) == ("ConfigureFailure", "CONFIGURE_ALREADY_PENDING")


def test_keep_alive_says_nothing_and_is_not_answered() -> None:
    dialect = deepgram()
    say(dialect, b"\x00\x00")

    assert say(dialect, {"type": "KeepAlive"}) == []
    assert told(dialect) == []


def test_diarize_gives_the_channel_of_each_word() -> None:
    dialect = deepgram(RAW + "&channels=2&multichannel=true&diarize=true")
    say(dialect, b"\x00\x00\x00\x00")

    (results,) = told(dialect, replace(final(), segment=SegmentId(1, 0)))

    assert results["channel_index"] == [1, 2]
    assert {word["speaker"] for word in results["channel"]["alternatives"][0]["words"]} == {1}


def test_diarize_gives_the_speaker_of_each_word_of_a_mixed_channel() -> None:
    dialect = deepgram(RAW + "&diarize=true")
    (opened, *_) = say(dialect, b"\x00\x00")
    words = (Word("hello", speaker=0), Word("there"), Word("hi", speaker=1))

    (results,) = told(dialect, final(words=words))

    assert isinstance(opened, CallOpened)
    assert opened.config.speakers == 2
    said = results["channel"]["alternatives"][0]["words"]
    assert [word.get("speaker") for word in said] == [0, None, 1]


@pytest.mark.parametrize(
    ("query", "roles"),
    [("&diarize=true", [None, None]), ("&diarize=true&speaker_roles=inbound", ["agent", None])],
)
def test_words_have_roles_only_if_they_are_asked_for(query: str, roles: list[str | None]) -> None:
    """Deepgram's words have none."""
    dialect = deepgram(RAW + query)
    say(dialect, b"\x00\x00")
    words = (Word("hello", speaker=0, role=Role.AGENT), Word("hi", speaker=1))

    (results,) = told(dialect, final(words=words))

    said = results["channel"]["alternatives"][0]["words"]
    assert [word.get("role") for word in said] == roles


@pytest.mark.parametrize(
    ("query", "most"),
    [
        ("", None),
        ("&diarize=false", 0),
        ("&diarize=true&speakers=4", 4),
        ("&diarize=true&speakers=900", 2),
    ],
)
def test_how_many_speakers_are_told_apart(query: str, most: int | None) -> None:
    (opened, *_) = say(deepgram(RAW + query), b"\x00\x00")

    assert isinstance(opened, CallOpened)
    assert opened.config.speakers == most


def test_speech_started_is_sent_if_requested() -> None:
    unasked, asked = deepgram(), deepgram(RAW + "&vad_events=true")
    for dialect in (unasked, asked):
        say(dialect, b"\x00\x00")

    assert told(unasked, started(start=4_000)) == []
    assert told(asked, started(start=4_000)) == [
        {"type": "SpeechStarted", "channel": [0, 1], "timestamp": 0.5}
    ]


def test_a_connection_that_goes_on_with_a_call_knows_when_the_call_began_and_where_it_stands() -> (
    None
):
    dialect = deepgram(f"{RAW}&utterance_end_ms=1000&vad_events=true")
    say(dialect, b"\x00" * 320)
    dialect.opened("c1")
    began = CallStarted((Role.MIXED,), "en", "deepgram", 1_700_000_000.25)
    dialect.continued([entry_of(began, 1), entry_of(started(3, 16_000), 2)], 80_000)

    before = told(dialect)
    word = Word("Hello", 70_000, 79_000, 0.9)
    awaited = told(dialect, replace(final(3), span=Span(16_000, 79_000), words=(word,)))
    say(dialect, b"\x00" * 16_000)
    ended = told(dialect, CallEnded("completed", 96_000, 4, ()))

    assert before == []
    assert [one["type"] for one in awaited] == ["Results"]
    assert [one["type"] for one in ended] == ["UtteranceEnd", "Metadata"]
    assert ended[-1]["created"] == "2023-11-14T22:13:20.250Z"
    assert ended[-1]["request_id"] == "c1"


def test_labels_and_parameters_that_change_nothing_come_back_in_the_metadata() -> None:
    dialect = deepgram(
        RAW
        + "&tag=sales&tag=eu&extra=ticket:7&model=nova-3&keywords=Acme:2&wibble=1&language=multi"
    )
    say(dialect, b"\x00\x00")

    (results, metadata) = told(dialect, final(), CallEnded("completed", 1, 1, ()))

    assert results["metadata"]["tags"] == metadata["tags"] == ["sales", "eu"]
    assert results["metadata"]["extra"] == metadata["extra"] == {"ticket": "7"}
    assert [(one["parameter"], one["type"]) for one in metadata["x"]["warnings"]] == [
        ("model", "ignored"),
        ("wibble", "unknown"),
        ("language", "ignored"),
        ("keywords", "legacy"),
    ]


@pytest.mark.parametrize(
    ("encoding", "frame", "heard"),
    [
        ("linear16&sample_rate=16000", b"\x05\x00", 5),
        ("mulaw", b"\xff", 0),
        ("mulaw&sample_rate=8000", b"\x00", -32_124),
        ("alaw", b"\xd5", 8),
    ],
)
def test_each_encoding_is_decoded_as_declared(encoding: str, frame: bytes, heard: int) -> None:
    _, audio = say(deepgram(f"encoding={encoding}"), frame)

    assert isinstance(audio, AudioReceived)
    assert audio.pcm.tolist() == [heard]


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("", "encoding must be mulaw, alaw, linear16"),
        ("encoding=pcm", "encoding must be"),
        ("encoding=flac", "flac is not decoded here"),
        ("encoding=mulaw&sample_rate=4000", "send 8000 to 48000"),
        ("encoding=linear16&sample_rate=96000", "send 8000 to 48000"),
        ("encoding=mulaw&sample_rate=8k", "sample_rate must be a whole number"),
        ("encoding=mulaw&channels=9", "send 1 to 8"),
        ("encoding=mulaw&redact=pii", "redact must be pci, numbers, ssn"),
        ("encoding=mulaw&redact=pci&language=ja", "redact knows de, en"),
        ("encoding=mulaw&callback=http://x", "callback is not supported"),
    ],
)
def test_errors_are_precise_and_reported_in_band(query: str, complaint: str) -> None:
    dialect = deepgram(query)

    with pytest.raises(DialectError, match=complaint) as fault:
        say(dialect, b"\x00\x00")
    dialect.report_error("bad_message", str(fault.value))

    (error,) = told(dialect)
    assert (error["type"], complaint in error["description"]) == ("Error", True)


def test_rejected_keyterms_and_line_warnings_stand_in_the_closing_metadata() -> None:
    dialect = deepgram("encoding=mulaw&keyterm=C%23&keyterm=Acme,Orvanta&keyterm=Acme+🚀")
    opened, *_ = say(dialect, bytes(160))
    assert isinstance(opened, CallOpened)
    assert opened.config.keywords.terms == ("C#", "Acme", "Orvanta")
    dialect.outbox()

    warning = LineWarning(0, Fault.WRONG_RATE, "check sample_rate", 0.5, "times", 8_000)
    for event in (
        KeywordsApplied(0, opened.config.keywords.terms, opened.rejected_keywords),
        warning,
        CallEnded("completed", 8_000, 0, ()),
    ):
        dialect.notify(entry_of(event, 1))
    (closing,) = [json.loads(message) for message in dialect.outbox()]

    told = [(one["parameter"], one["type"], one["message"]) for one in closing["x"]["warnings"]]
    assert told[0][:2] == ("keyterm", "rejected")
    assert told[0][2].startswith("Acme 🚀: only letters")
    assert told[1] == ("keyterm", "in_use", "1 not used; 3 in use: C#, Acme, Orvanta")
    assert told[2][:2] == ("audio", "wrong_rate")
    assert "check sample_rate" in told[2][2]
