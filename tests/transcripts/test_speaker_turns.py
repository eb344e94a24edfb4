"""Exports name the speakers of a mixed channel, each in a line or cue of his own."""

import json
from dataclasses import replace

import pytest

from protocol.calls.call import Role
from protocol.events import Final, SegmentId, Span, Timing, Word
from transcripts.database.json_columns import said_columns, words_of
from transcripts.formats.export import export
from transcripts.transcript import CallSummary, Ending, StoredSegment, Transcript

CALL = CallSummary("call-1", ("mixed",), "en", "native", 0.0, "stop", 40_000)
WORDS = (
    Word("Good", 0, 4_000, 0.9, 0),
    Word("day.", 4_000, 8_000, 0.9, 0),
    Word("Hello.", 16_000, 24_000, 0.9, 1),
)
TRANSCRIPT = Transcript.of(
    CALL,
    [
        StoredSegment(SegmentId(0, 0), Span(0, 24_000), Ending.FINAL, WORDS),
        StoredSegment(SegmentId(0, 1), Span(32_000, 40_000), Ending.FINAL, (Word("Mhm."),)),
    ],
)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("txt", ["speaker 1: Good day.", "speaker 2: Hello.", "mixed: Mhm."]),
        ("srt", ["speaker 1: Good day.", "speaker 2: Hello.", "mixed: Mhm."]),
        ("vtt", ["<v Speaker 1>Good day.", "<v Speaker 2>Hello.", "<v Mixed>Mhm."]),
        ("csv", ["0.000,2.000,speaker 1,Good day.", "2.000,3.000,speaker 2,Hello."]),
        ("stm", ["speaker_1 0.000 2.000 Good day.", "speaker_2 2.000 3.000 Hello."]),
        ("md", ["speaker 1** Good day", "speaker 2** Hello", "mixed** Mhm"]),
    ],
)
def test_a_segment_is_split_where_the_speaker_changes(form: str, expected: list[str]) -> None:
    text = export(TRANSCRIPT, form)

    places = [text.find(one) for one in expected]
    assert -1 not in places, text
    assert places == sorted(places)


def test_words_in_json_carry_their_speaker_in_one_segment() -> None:
    segments = json.loads(export(TRANSCRIPT, "json"))["segments"]

    assert [word.get("speaker") for one in segments for word in one["words"]] == [0, 0, 1, None]
    assert [one["segment_id"] for one in segments] == ["0-0", "0-1"]


def test_words_stored_before_there_were_speakers_are_read() -> None:
    assert words_of([["hello", 1, 2, 0.5], ["hi", 3, 4, 0.5, 1]]) == (
        Word("hello", 1, 2, 0.5),
        Word("hi", 3, 4, 0.5, 1),
    )


@pytest.mark.parametrize("role", [None, Role.AGENT])
@pytest.mark.parametrize("speaker", [None, 1])
def test_words_are_read_as_they_were_stored(speaker: int | None, role: Role | None) -> None:
    word = Word("hi", 3, 4, 0.5, speaker, role)
    timing = Timing(0, 0)
    final = Final(SegmentId(0, 0), Span(0, 8), (word,), "en", 0, (), "engine", timing)

    assert words_of(said_columns(final)["words"]) == (word,)


def test_speakers_whose_roles_are_known_are_named_by_their_roles() -> None:
    roles = (Role.AGENT, Role.AGENT, Role.CUSTOMER)
    words = tuple(replace(word, role=role) for word, role in zip(WORDS, roles, strict=True))
    first, second = TRANSCRIPT.segments
    known = Transcript.of(CALL, [replace(first, words=words), second])

    assert "agent: Good day." in export(known, "txt")
    assert "customer: Hello." in export(known, "srt")
    assert "<v Customer>Hello." in export(known, "vtt")
    assert "2.000,3.000,customer,Hello." in export(known, "csv")
    (said, _) = json.loads(export(known, "json"))["segments"]
    assert [word["role"] for word in said["words"]] == ["agent", "agent", "customer"]
    assert [word["speaker"] for word in said["words"]] == [0, 0, 1]
