"""Export of a transcript in all formats."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.events import SegmentId, Span, Word
from transcripts.formats.export import FORMS, export
from transcripts.transcript import CallSummary, Ending, StoredSegment, Transcript

CALL = CallSummary("c1", ("agent", "customer"), "en", "native", 0.0, "completed", 80_000)


def segment(channel: int, number: int, start: float, end: float, text: str) -> StoredSegment:
    span = Span(int(start * 8_000), int(end * 8_000))
    words = tuple(Word(word) for word in text.split())
    return StoredSegment(SegmentId(channel, number), span, Ending.FINAL, words, engine="e")


def transcript(*segments: StoredSegment) -> Transcript:
    return Transcript(CALL, segments)


TALK = transcript(
    segment(0, 0, 1.0, 2.5, "Hello there."), segment(1, 0, 61.25, 62.0, "Hi <you> & me")
)


def test_txt() -> None:
    assert export(TALK, "txt") == "[00:01] agent: Hello there.\n[01:01] customer: Hi <you> & me\n"


def test_srt() -> None:
    assert export(TALK, "srt") == (
        "1\n00:00:01,000 --> 00:00:02,500\nagent: Hello there.\n\n"
        "2\n00:01:01,250 --> 00:01:02,000\ncustomer: Hi <you> & me\n\n"
    )


def test_vtt_escapes_what_would_be_a_tag() -> None:
    assert export(TALK, "vtt") == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\n<v Agent>Hello there.\n\n"
        "00:01:01.250 --> 00:01:02.000\n<v Customer>Hi &lt;you&gt; &amp; me\n\n"
    )


def test_json_holds_everything() -> None:
    body = json.loads(export(TALK, "json"))

    assert (body["call_id"], body["duration_ms"]) == ("c1", 10_000)
    assert [(one["role"], one["start_ms"], one["text"]) for one in body["segments"]] == [
        ("agent", 1_000, "Hello there."),
        ("customer", 61_250, "Hi <you> & me"),
    ]


def test_ctm_shares_the_time_of_a_segment_among_its_words() -> None:
    talk = transcript(segment(0, 0, 1.0, 2.0, "ab cdefgh"))

    assert export(talk, "ctm") == "c1 1 1.00 0.25 ab 1.00\nc1 1 1.25 0.75 cdefgh 1.00\n"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x"])
def test_csv_cells_are_no_formulas(text: str) -> None:
    rows = list(csv.reader(io.StringIO(export(transcript(segment(0, 0, 0, 1, text)), "csv"))))

    assert rows[1][3] == f"'{text}"


@pytest.mark.parametrize("form", FORMS)
def test_a_call_without_words_is_a_valid_file(form: str) -> None:
    written = export(transcript(), form)

    assert written in ("", "WEBVTT\n\n") or form in ("json", "csv", "md")


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=12), min_size=1, max_size=80))
def test_cues_hold_every_word_once_in_lines_that_can_be_read(words: list[str]) -> None:
    talk = transcript(segment(0, 0, 0.0, 12.0, " ".join(words)))

    cues = [
        cue.split("\n")
        for cue in export(talk, "vtt").removeprefix("WEBVTT\n\n").strip().split("\n\n")
    ]

    said = [
        word for cue in cues for line in cue[1:] for word in line.removeprefix("<v Agent>").split()
    ]
    assert said == words
    assert all(len(line.removeprefix("<v Agent>")) <= 42 for cue in cues for line in cue[1:])
    assert all(len(cue) <= 3 for cue in cues)
    times = [stamp for cue in cues for stamp in cue[0].split(" --> ")]
    assert times == sorted(times)
    assert (times[0], times[-1]) == ("00:00:00.000", "00:00:12.000")
